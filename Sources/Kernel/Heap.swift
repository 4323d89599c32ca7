// SPDX-License-Identifier: Apache-2.0
import CLinux

/// What the C library's allocator keeps.
package enum Heap {
    /// Gives free pages back to the system. For the end of work on everything at once, which needs memory for a moment that
    /// the allocator would keep for ever. Takes a millisecond or so.
    package static func trim() { clinux_trim_heap() }

    /// At most so many arenas from now on, instead of eight a CPU, each with free memory of its own. For the begin of a
    /// program whose threads seldom allocate at the same time.
    package static func limitArenas(to count: Int32) { clinux_limit_heap_arenas(count) }

    /// From now on blocks of this size (bytes) or more are mappings of their own, which go back to the system when they are
    /// freed. Otherwise the limit grows with what is freed, up to 32 MB, and tables that grow by being copied leave holes
    /// as large as themselves. For the begin of a program.
    package static func mapBlocks(from size: Int32) { clinux_map_large_blocks(size) }
}
