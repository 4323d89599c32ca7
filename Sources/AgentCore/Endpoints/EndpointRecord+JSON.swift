// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import Model
import NetTypes

// What is in an endpoint's file. Without Codable, as every ADD writes two of them while a pod waits.

extension EndpointRecord: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(
            number: try object.required("number"), key: try object.required("key"),
            network: try object.required("network"), netns: try object.required("netns"),
            podNamespace: try object.required("podNamespace"), podName: try object.required("podName"),
            podUID: try object.optional("podUID"), labels: try object.optional("labels"),
            ipv4: try object.optional("ipv4"), ipv6: try object.optional("ipv6"),
            hostInterface: try object.required("hostInterface"), ifindex: try object.optional("ifindex"),
            state: try object.required("state"), attempt: try object.optional("attempt"),
            since: try object.required("since"))
        identity = try object.optional("identity")
        addMilliseconds = try object.optional("addMilliseconds")
    }

    package var json: JSONValue {
        .object([
            "addMilliseconds": addMilliseconds?.json,
            "attempt": attempt?.json,
            "hostInterface": hostInterface.json,
            "identity": identity?.json,
            "ifindex": ifindex?.json,
            "ipv4": ipv4?.json,
            "ipv6": ipv6?.json,
            "key": key.json,
            "labels": labels?.json,
            "netns": netns.json,
            "network": network.json,
            "number": number.json,
            "podName": podName.json,
            "podNamespace": podNamespace.json,
            "podUID": podUID?.json,
            "since": since.json,
            "state": state.json,
        ])
    }
}

extension EndpointIdentity: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        let flat: [String: String] = try object.required("labels")
        guard let labels = SecurityLabels(flat: flat) else {
            throw JSONError("these are no pod's labels", path: "labels")
        }
        self.init(number: try object.required("number"), labels: labels)
    }

    package var json: JSONValue { .object(["labels": labels.flat.json, "number": number.json]) }
}
