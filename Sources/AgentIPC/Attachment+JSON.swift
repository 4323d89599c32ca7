// SPDX-License-Identifier: Apache-2.0

// What the plugin sends and reads, without Codable; fields in the order of the text.

extension EndpointState: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let text = try String(json: json)
        guard let state = EndpointState(rawValue: text) else {
            let known = Self.allCases.map(\.rawValue).joined(separator: ", ")
            throw JSONError("\"\(text)\" is none of \(known)")
        }
        self = state
    }

    package var json: JSONValue { .string(rawValue) }
}

extension AttachmentReference: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(containerID: try object.required("containerID"), interface: try object.required("interface"))
    }

    package var json: JSONValue { .object(["containerID": containerID.json, "interface": interface.json]) }
}

extension AllocateRequest: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(
            containerID: try object.required("containerID"), interface: try object.required("interface"),
            netns: try object.required("netns"), network: try object.required("network"),
            podNamespace: try object.required("podNamespace"), podName: try object.required("podName"),
            podUID: try object.optional("podUID"), labels: try object.optional("labels"),
            attempt: try object.optional("attempt"))
    }

    package var json: JSONValue {
        .object([
            "attempt": attempt?.json,
            "containerID": containerID.json,
            "interface": interface.json,
            "labels": labels?.json,
            "netns": netns.json,
            "network": network.json,
            "podName": podName.json,
            "podNamespace": podNamespace.json,
            "podUID": podUID?.json,
        ])
    }
}

extension AllocateReply: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(
            endpoint: try object.required("endpoint"), hostInterface: try object.required("hostInterface"),
            podMAC: try object.required("podMAC"), gatewayMAC: try object.required("gatewayMAC"),
            ipv4: try object.optional("ipv4"), ipv6: try object.optional("ipv6"),
            gateway4: try object.required("gateway4"), gateway6: try object.required("gateway6"),
            mtu: try object.required("mtu"), state: try object.required("state"))
    }

    package var json: JSONValue {
        .object([
            "endpoint": endpoint.json,
            "gateway4": gateway4.json,
            "gateway6": gateway6.json,
            "gatewayMAC": gatewayMAC.json,
            "hostInterface": hostInterface.json,
            "ipv4": ipv4?.json,
            "ipv6": ipv6?.json,
            "mtu": mtu.json,
            "podMAC": podMAC.json,
            "state": state.json,
        ])
    }
}

extension AttachRequest: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(hostIfindex: try object.required("hostIfindex"), attempt: try object.optional("attempt"))
    }

    package var json: JSONValue { .object(["attempt": attempt?.json, "hostIfindex": hostIfindex.json]) }
}

extension ReleaseRequest: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        self.init(attempt: try json.object.required("attempt"))
    }

    package var json: JSONValue { .object(["attempt": attempt.json]) }
}

extension DeleteRequest: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        self.init(attempt: try json.object.optional("attempt"))
    }

    package var json: JSONValue { .object(["attempt": attempt?.json]) }
}

extension GCRequest: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(network: try object.required("network"), keep: try object.required("keep"))
    }

    package var json: JSONValue { .object(["keep": keep.json, "network": network.json]) }
}

extension GCReply: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        self.init(removed: try json.object.required("removed"))
    }

    package var json: JSONValue { .object(["removed": removed.json]) }
}

extension APIError: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(
            code: try object.required("code"), message: try object.required("message"),
            retryable: try object.required("retryable"))
    }

    package var json: JSONValue {
        .object(["code": code.json, "message": message.json, "retryable": retryable.json])
    }
}

extension ErrorBody: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        self.init(error: try json.object.required("error"))
    }

    package var json: JSONValue { .object(["error": error.json]) }
}

extension Tombstone: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        self.init(try AttachmentReference(json: json), attempt: try json.object.optional("attempt"))
    }

    package var json: JSONValue {
        .object(["attempt": attempt?.json, "containerID": containerID.json, "interface": interface.json])
    }
}
