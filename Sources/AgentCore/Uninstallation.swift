// SPDX-License-Identifier: Apache-2.0
package import Datapath
import Kernel
package import Logging

/// Takes everything of Skein's off the node but the pods' devices: programs, pins, the overlay device, routes to other
/// nodes' pods, and the run directory's files. Pods keep their network as far as the host's own routing carries it,
/// without policy.
package enum Uninstallation {
    /// - Parameter files: of others, such as the container runtime's configuration; no error where there is none.
    /// - Throws: `RunDirectoryBusy` or `PinsBusy` while an agent is running.
    package static func run(
        _ directory: RunDirectory, _ configuration: DatapathConfiguration, files: [String] = [], logger: Logger
    ) throws {
        try directory.prepare()
        let lock = try directory.takeLock()
        let pinLock = try PinLock(configuration.pinDirectory)
        for file in files { try AtomicFile.remove(file) }
        let host = KernelHostNetwork()
        let devices = try host.links().filter(\.isPodLink).map(\.index)
        try Datapath(configuration).detachAll(filtersOn: devices)
        for route in try host.nodeRoutes() { try host.removeNodeRoute(route) }
        try host.deleteLink(named: OverlayRequest.defaultName)
        try directory.remove()
        logger.notice("uninstalled", metadata: ["pins": "\(configuration.pinDirectory)", "files": "\(directory.path)"])
        withExtendedLifetime((lock, pinLock)) {}
    }
}
