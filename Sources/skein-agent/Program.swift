// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import OperatorProgram

/// One program with two names, as the two have nearly all their code in common, and what they are linked with is large.
@main
enum Program {
    static func main() async {
        let file = CommandLine.arguments.first?.split(separator: "/").last ?? ""
        if file == OperatorProgram.name {
            await OperatorProgram.main()
        } else {
            await SkeinAgent.main()
        }
    }
}
