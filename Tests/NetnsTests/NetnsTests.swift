// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

/// The real programs between real network namespaces. One test at a time, so that each has the machine for itself.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root"))
struct NetnsTests {}
