// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding

/// An object and where in its file it begins.
struct PlacedObject: Hashable, Sendable {
    let object: DecodedObject
    let reference: ObjectReference
    let line: Int
    let column: Int

    init(_ object: DecodedObject, line: Int, column: Int) {
        self.object = object
        reference = object.reference
        self.line = line
        self.column = column
    }
}

/// What is in one file.
struct DecodedFile: Sendable, Equatable {
    /// A document of a kind that nothing here uses.
    struct Ignored: Hashable, Sendable {
        let apiVersion: String
        let kind: String
        let line: Int
    }

    /// The valid ones, in the order of the text. One object may be there twice.
    var objects: [PlacedObject] = []
    var errors: [ManifestError] = []
    var ignored: [Ignored] = []
}
