// SPDX-License-Identifier: Apache-2.0

extension EndpointInfo: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self.init(
            number: try object.required("number"), containerID: try object.required("containerID"),
            interface: try object.required("interface"), network: try object.required("network"),
            netns: try object.required("netns"), podNamespace: try object.required("podNamespace"),
            podName: try object.required("podName"), podUID: try object.optional("podUID"),
            labels: try object.required("labels"), ipv4: try object.optional("ipv4"),
            ipv6: try object.optional("ipv6"), podMAC: try object.required("podMAC"),
            gatewayMAC: try object.required("gatewayMAC"), mtu: try object.required("mtu"),
            hostInterface: try object.required("hostInterface"), hostIfindex: try object.optional("hostIfindex"),
            state: try object.required("state"), since: try object.required("since"),
            addMilliseconds: try object.optional("addMilliseconds"), identity: try object.required("identity"),
            policy: try object.required("policy"),
            enforceIngress: try object.required("enforceIngress"),
            enforceEgress: try object.required("enforceEgress"), policies: try object.required("policies"))
    }

    package var json: JSONValue {
        .object([
            "addMilliseconds": addMilliseconds?.json,
            "containerID": containerID.json,
            "enforceEgress": enforceEgress.json,
            "enforceIngress": enforceIngress.json,
            "gatewayMAC": gatewayMAC.json,
            "hostIfindex": hostIfindex?.json,
            "hostInterface": hostInterface.json,
            "identity": identity.json,
            "interface": interface.json,
            "ipv4": ipv4?.json,
            "ipv6": ipv6?.json,
            "labels": labels.json,
            "mtu": mtu.json,
            "netns": netns.json,
            "network": network.json,
            "number": number.json,
            "podMAC": podMAC.json,
            "podName": podName.json,
            "podNamespace": podNamespace.json,
            "podUID": podUID?.json,
            "policies": policies.json,
            "policy": policy.json,
            "since": since.json,
            "state": state.json,
        ])
    }
}
