// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc

/// Maps of an object that outlive the agent: taken from their pins before it is loaded, brought over where they have
/// another size now, and pinned when all of that is done.
struct PinnedMaps {
    /// The names of the maps in the object, and those of their pins.
    let names: [(map: String, pin: String)]
    let paths: PinPaths
    let sizes: MapSizes

    /// Shares the pinned maps with the object, but for those of another size or layout. Returns the names of those shared.
    func adopt(into spec: inout BPFSpec) throws -> Set<String> {
        var adopted: Set<String> = []
        for (name, pin) in names {
            let path = paths.shared(pin)
            guard unsafe access(path, F_OK) == 0, let map = try? MapHandle(pinned: path) else { continue }
            if let wanted = sizes.setting(of: name)?.size, map.info.maxEntries != wanted { continue }
            // Another layout under the same version can only be damage: the new map takes the pin's place.
            do { try spec.reuse(map: name, map) } catch { continue }
            adopted.insert(name)
        }
        return adopted
    }

    /// Brings the entries of the pinned map over to this one, if it is another. Those that don't fit are left behind.
    func bringOver<Key, Value>(to map: borrowing BPFMap<Key, Value>, pin: String) throws(BPFError) {
        let path = paths.shared(pin)
        guard unsafe access(path, F_OK) == 0, let older = try? BPFMap<Key, Value>(pinned: path),
            older.info.id != map.info.id
        else { return }
        var scan = MapScan<Key, Value>(chunk: 4096)
        while try scan.next(older) {
            for index in 0..<scan.count {
                do { try map.update(scan.key(index), scan.value(index), .noExist) } catch { continue }
            }
        }
    }

    /// Pins the object's maps in the place of others.
    func pin(_ object: borrowing BPFObject) throws {
        for (name, pin) in names {
            let map: MapHandle = try object.map(name)
            let path = paths.shared(pin)
            if let there = try? MapHandle(pinned: path), there.info.id == map.info.id { continue }
            try map.pin(to: path, replacing: true)
        }
    }
}
