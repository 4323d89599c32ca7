// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import Datapath
package import Manifests
import NetTypes

extension Agent {
    /// Denies these sources, and no others.
    package func setDenyLists(_ groups: [DenyGroup]) {
        denyGroups = groups
        applyDenyLists()
    }

    func applyDenyLists() {
        // Before the folder was read, an earlier start's lists stay in force.
        guard let datapath, let denyGroups, settings.denyListFolder != nil else { return }
        do {
            let lists = denyGroups.map { DenyList(name: $0.name, prefixes: $0.prefixes) }
            try datapath.setDenyLists(lists, device: settings.denyListDevice)
            note(.denyLists, nil)
        } catch {
            note(.denyLists, "the deny lists in force are older ones: \(error)")
        }
    }

    package func denyListInfos() -> [DenyListInfo] {
        guard let folder = settings.denyListFolder else { return [] }
        let usage = (try? datapath?.denyListUsage()).flatMap(\.self)
        let dropped = Dictionary((usage?.lists ?? []).map { ($0.name, $0.dropped) }) { $1 }
        let errors = Dictionary(grouping: reports.denyLists()) { $0.file }
        let denyGroups = denyGroups ?? []
        var infos = denyGroups.map { group in
            let ipv4 = group.prefixes.count(where: \.isIPv4)
            let file = group.name + ".list"
            return DenyListInfo(
                group: group.name, devices: settings.denyListDevice.map { [$0] } ?? [], mode: usage?.mode ?? "",
                source: "\(folder)/\(file)", prefixes4: ipv4, prefixes6: group.prefixes.count - ipv4,
                droppedPackets: dropped[group.name]?.packets ?? 0, droppedBytes: dropped[group.name]?.bytes ?? 0,
                error: errors[file].map(Self.text) ?? conditions[.denyLists])
        }
        // Files that never were right have no list yet.
        for (file, errors) in errors.sorted(by: { $0.key < $1.key })
        where !denyGroups.contains(where: { $0.name + ".list" == file }) {
            infos.append(
                DenyListInfo(
                    group: file, devices: [], mode: "", source: "\(folder)/\(file)", prefixes4: 0, prefixes6: 0,
                    droppedPackets: 0, droppedBytes: 0, error: Self.text(errors)))
        }
        return infos
    }

    private static func text(_ errors: [ManifestErrorInfo]) -> String {
        let first = errors.first.map { error in
            (error.line.map { "line \($0): " } ?? "") + error.message
        }
        return (first ?? "") + (errors.count > 1 ? " (and \(errors.count - 1) more)" : "")
    }
}
