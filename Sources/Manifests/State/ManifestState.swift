// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding

/// Which objects are in force, of which file, while files come, change, break and go.
///
/// - A file whose documents are all valid is in force as it is.
/// - A file in which nothing is left counts as broken: to take its objects away, it is removed.
/// - A file with a broken document: its valid objects are in force, and those that were and are not among them stay,
///   because any of them may be what the broken document was meant to be.
/// - An object that two documents define is that of the one which was in force first; of files read at the same
///   time that is the first by name. The other one is reported, and takes over when the first one goes. It does
///   not count as broken: which object it is, is known.
struct ManifestState: Sendable {
    /// What became of a file.
    enum Update: Sendable {
        case decoded(DecodedFile)
        case unreadable(String)
        case gone
    }

    private struct File: Sendable {
        /// In force.
        var held: [ObjectReference: PlacedObject] = [:]
        /// Valid, but in force from another document.
        var pending: [PlacedObject] = []
        var errors: [ManifestError] = []
    }

    private var files: [String: File] = [:]
    /// The file that each object in force comes from.
    private var owners: [ObjectReference: String] = [:]

    /// All that is in force.
    var objects: [DecodedObject] {
        files.values.flatMap { $0.held.values }.map(\.object).sorted(by: Self.precedes)
    }

    /// By file and line.
    var errors: [ManifestError] {
        files.flatMap { name, file in file.errors + file.pending.map { duplicateError($0, in: name) } }.sorted()
    }

    /// True if all documents of the file are in force.
    func isWhole(_ file: String) -> Bool {
        guard let file = files[file] else { return false }
        return file.errors.isEmpty && file.pending.isEmpty
    }

    /// Takes several files' news at once, so that an object that moves from one file to another is never gone
    /// in between. Gives the difference to what was in force, in an order in which namespaces come first.
    mutating func apply(_ updates: [String: Update]) -> [ResourceChange] {
        var before: [ObjectReference: DecodedObject?] = [:]
        // First what goes, so that what it hid can come.
        for (name, update) in updates { release(name, update, &before) }
        var candidates: [String: [PlacedObject]] = [:]
        for (name, file) in files where !file.pending.isEmpty { candidates[name] = file.pending }
        for case (let name, .decoded(let decoded)) in updates { candidates[name] = decoded.objects }
        for (name, objects) in candidates.sorted(by: { $0.key < $1.key }) {
            hold(objects, of: name, isUpdate: updates[name] != nil, &before)
        }
        return changes(since: before)
    }

    private mutating func release(
        _ name: String, _ update: Update, _ before: inout [ObjectReference: DecodedObject?]
    ) {
        let kept: Set<ObjectReference>
        switch update {
        case .unreadable(let message):
            files[name, default: File()].errors = [ManifestError(file: name, message: message)]
            return
        case .gone:
            kept = []
        case .decoded(let decoded):
            files[name, default: File()].errors = decoded.errors
            files[name]?.pending = []
            if !decoded.errors.isEmpty { return }
            // More often the first moment of a slow writer than somebody's wish.
            if decoded.objects.isEmpty, files[name]?.held.isEmpty == false {
                files[name]?.errors = [
                    ManifestError(
                        file: name,
                        message: "there is nothing in it any more; what it defined stays in force until it is removed")
                ]
                return
            }
            kept = Set(decoded.objects.map(\.reference))
        }
        for (reference, placed) in files[name]?.held ?? [:] where !kept.contains(reference) {
            before[reference] = .some(placed.object)
            owners[reference] = nil
            files[name]?.held[reference] = nil
        }
        if case .gone = update { files[name] = nil }
    }

    /// `isUpdate`: the objects are the file's new content, and take the place of those in force from it.
    private mutating func hold(
        _ objects: [PlacedObject], of name: String, isUpdate: Bool, _ before: inout [ObjectReference: DecodedObject?]
    ) {
        var seen: Set<ObjectReference> = []
        var pending: [PlacedObject] = []
        for placed in objects {
            let reference = placed.reference
            let owner = owners[reference]
            let isFirst = seen.insert(reference).inserted
            guard isFirst, owner == nil || (isUpdate && owner == name) else {
                pending.append(placed)
                continue
            }
            if before[reference] == nil { before[reference] = .some(files[name]?.held[reference]?.object) }
            owners[reference] = name
            files[name]?.held[reference] = placed
        }
        files[name]?.pending = pending
    }

    private func changes(since before: [ObjectReference: DecodedObject?]) -> [ResourceChange] {
        var gone: [DecodedObject] = []
        var there: [DecodedObject] = []
        for (reference, old) in before {
            let now = owners[reference].flatMap { files[$0]?.held[reference]?.object }
            if now == old { continue }
            if let now { there.append(now) } else if let old { gone.append(old) }
        }
        return there.sorted(by: Self.precedes).map { ResourceChange($0) }
            + gone.sorted(by: Self.precedes).map { ResourceChange(removalOf: $0) }
    }

    private func duplicateError(_ placed: PlacedObject, in name: String) -> ManifestError {
        let place =
            owners[placed.reference].flatMap { owner in
                files[owner]?.held[placed.reference].map { "\(owner):\($0.line)" }
            } ?? name
        return ManifestError(
            file: name, line: placed.line, column: placed.column, object: placed.reference.description,
            message: "\(place) defines it too, and is what stays in force")
    }

    private static func precedes(_ a: DecodedObject, _ b: DecodedObject) -> Bool {
        let (first, second) = (a.reference, b.reference)
        let ranks = [first, second].map { $0.kind == "Namespace" ? 0 : $0.kind == "Pod" ? 1 : 2 }
        return ranks[0] == ranks[1] ? first < second : ranks[0] < ranks[1]
    }
}
