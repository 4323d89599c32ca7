// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct SyntaxTests {
    private static let long63 = String(repeating: "a", count: 63)
    private static let long64 = String(repeating: "a", count: 64)

    @Test(arguments: ["a", "a-b", "0", "1a", long63])
    func `DNS labels`(text: String) { #expect(Syntax.dnsLabelProblem(text) == nil) }

    @Test(arguments: ["", "-a", "a-", "A", "a.b", "a_b", "ä", long64])
    func `no DNS labels`(text: String) { #expect(Syntax.dnsLabelProblem(text) != nil) }

    @Test(arguments: ["a", "a.b", "a-1.b-2.c", String(repeating: "a.", count: 126) + "a"])
    func `DNS subdomains`(text: String) { #expect(Syntax.dnsSubdomainProblem(text) == nil) }

    @Test(arguments: ["", ".", "a.", ".a", "a..b", "a.-b", "A.b", String(repeating: "a.", count: 127)])
    func `no DNS subdomains`(text: String) { #expect(Syntax.dnsSubdomainProblem(text) != nil) }

    @Test(arguments: ["a", "A", "a_b.c-d", "example.com/a", "example.com/A.b", long63, "a/" + long63])
    func `label keys`(text: String) { #expect(Syntax.labelKeyProblem(text) == nil) }

    @Test(arguments: ["", "a/", "/a", "a/b/c", "A/b", "-a", "a-", "a b", "example..com/a", long64, "a/" + long64])
    func `no label keys`(text: String) { #expect(Syntax.labelKeyProblem(text) != nil) }

    @Test(arguments: ["", "a", "1.2_3-x", "UPPER", long63])
    func `label values`(text: String) { #expect(Syntax.labelValueProblem(text) == nil) }

    @Test(arguments: ["-", "a-", ".a", "a/b", "a b", "ä", long64])
    func `no label values`(text: String) { #expect(Syntax.labelValueProblem(text) != nil) }

    @Test(arguments: ["http", "h", "8080-web", "a-b-c", "fifteen-letters"])
    func `port names`(text: String) { #expect(Syntax.portNameProblem(text) == nil) }

    @Test(arguments: ["", "80", "1-2", "a--b", "-a", "a-", "HTTP", "a_b", "sixteen-letters-"])
    func `no port names`(text: String) { #expect(Syntax.portNameProblem(text) != nil) }
}
