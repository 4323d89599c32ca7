#include "CLibbpf.h"
