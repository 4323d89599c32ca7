# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Custom resources, by every way in which Kubernetes writes and reads them: a
# kind with a structural schema and a status of its own, whose objects are
# created, patched, applied by several owners, listed, watched and deleted.
# Their owners are kept as maps of fields, so that each write takes the API
# server through code that plain objects do not reach.

gauges=/apis/lab.example/v1/namespaces/default/gauges

# No x-kubernetes-int-or-string: for a kind that has one, this version takes lists as a whole in server-side apply.
gauge_kind() {
    cat <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gauges.lab.example}
spec:
  group: lab.example
  scope: Namespaced
  names: {kind: Gauge, listKind: GaugeList, plural: gauges, singular: gauge}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [unit]
            properties:
              unit: {type: string, enum: [volt, ohm]}
              scale: {type: integer, minimum: 1, default: 10}
              notes: {type: object, additionalProperties: {type: string}}
              port: {type: integer}
              marks:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [at]
                items:
                  type: object
                  required: [at]
                  properties: {at: {type: integer}, text: {type: string}}
          status:
            type: object
            properties: {reading: {type: integer}}
END
}

gauge() { # NAME SPEC
    cat <<END
apiVersion: lab.example/v1
kind: Gauge
metadata: {name: $1, labels: {of: lab}}
spec: $2
---
END
}
# create_gauge NAME SPEC: what kubectl would say of fields that it does not know is left to the API server.
create_gauge() { gauge "$1" "$2" | kubectl create --validate=false -f - 2>&1; }
apply_gauge() { # MANAGER SPEC [OPTION...]
    local manager=$1 spec=$2
    shift 2
    gauge first "$spec" | kubectl apply --server-side --field-manager "$manager" "$@" -f - 2>&1
}
# gauge_has PATH VALUE
gauge_has() { [ "$(kubectl get gauge first -o "jsonpath=$1" 2>/dev/null)" = "$2" ]; }
# kubectl of this version has no word for it.
patch_gauge_status() { # PATCH
    in_network control curl -s -f -m 10 -o /dev/null --cacert "$run/pki/ca.crt" --cert "$run/pki/admin.crt" \
        --key "$run/pki/admin.key" -X PATCH -H 'Content-Type: application/merge-patch+json' -d "$1" \
        "https://$control4:6443$gauges/first/status"
}

kind_is_served() {
    kubectl get crd gauges.lab.example -o 'jsonpath={.status.conditions[?(@.status=="True")].type}' |
        grep -qw Established && kubectl get --raw "$gauges" >/dev/null 2>&1
}
makes_kind() { gauge_kind | kubectl create -f - >/dev/null && within 10 kind_is_served; }

# watch_gauges: what the watch says is the log of this process.
watch_gauges() {
    local version
    version=$(kubectl get --raw "$gauges" | grep -o '"resourceVersion":"[0-9]*"' | head -n 1 | tr -dc 0-9)
    process_define gauges nsenter --net="$(netns_path control)" -- "$bin/kubectl" --kubeconfig "$admin" \
        get --raw "$gauges?watch=1&resourceVersion=$version&timeoutSeconds=300"
    rm -f "$run/logs/gauges.log"
    process_start gauges
}
end_watch() {
    process_stop gauges TERM
    rm -rf "$run/processes/gauges"
}
# watched NAME: the events of the object, in their order, in one line.
watched() {
    grep "\"kind\":\"Gauge\".*\"name\":\"$1\"" "$run/logs/gauges.log" | grep -o '^{"type":"[A-Z]*"' | cut -d'"' -f4 |
        paste -sd ' '
}
watch_tells() { [ "$(watched "$1")" = "$2" ]; }

creates() {
    create_gauge first '{unit: volt, port: 0, notes: {c: three, a: one, b: two, empty: ""}, colour: red}' >/dev/null &&
        gauge_has '{.spec}' '{"notes":{"a":"one","b":"two","c":"three","empty":""},"port":0,"scale":10,"unit":"volt"}'
}
refuses() {
    local unit scale
    ! unit=$(create_gauge wrong '{unit: watt}') && ! scale=$(create_gauge wrong '{unit: ohm, scale: 0}') &&
        [[ $unit == *'Unsupported value: "watt"'* && $scale == *'greater than or equal to 1'* ]]
}
merges() {
    kubectl patch gauge first --type merge -p '{"spec": {"scale": 5, "port": 80, "notes": {"a": null}}}' >/dev/null &&
        gauge_has '{.metadata.generation} {.spec}' \
            '2 {"notes":{"b":"two","c":"three","empty":""},"port":80,"scale":5,"unit":"volt"}'
}
keeps_status_apart() {
    patch_gauge_status '{"spec": {"scale": 99}, "status": {"reading": 7}}' &&
        kubectl patch gauge first --type merge -p '{"status": {"reading": 8}}' >/dev/null &&
        gauge_has '{.metadata.generation} {.spec.scale} {.status.reading}' '2 5 7'
}
has_owners() {
    apply_gauge one '{unit: volt, marks: [{at: 1, text: low}]}' >/dev/null &&
        apply_gauge two '{unit: volt, marks: [{at: 2, text: high}]}' >/dev/null &&
        gauge_has '{.spec.marks}' '[{"at":1,"text":"low"},{"at":2,"text":"high"}]' &&
        apply_gauge one '{unit: volt}' >/dev/null && gauge_has '{.spec.marks}' '[{"at":2,"text":"high"}]'
}
refuses_conflict() {
    local answer
    ! answer=$(apply_gauge one '{unit: volt, marks: [{at: 2, text: other}]}') && [[ $answer == *conflict*two* ]] &&
        apply_gauge one '{unit: volt, marks: [{at: 2, text: other}]}' --force-conflicts >/dev/null &&
        gauge_has '{.spec.marks[0].text}' other
}
lists() {
    local number
    for number in {1..30}; do gauge "g$number" "{unit: ohm, scale: $number}"; done | kubectl create -f - >/dev/null &&
        [ "$(kubectl get gauges -l of=lab --chunk-size 7 -o name | wc -l)" -eq 31 ] &&
        [ "$(kubectl get gauges -o 'jsonpath={.items[?(@.spec.scale==30)].metadata.name}')" = g30 ]
}
deletes() {
    kubectl delete gauges --all >/dev/null && [ -z "$(kubectl get gauges -o name)" ] &&
        within 10 watch_tells g30 "ADDED DELETED"
}
kind_goes() {
    kubectl delete crd gauges.lab.example --timeout 30s >/dev/null && ! kubectl get --raw "$gauges" >/dev/null 2>&1
}

check_resources() {
    local server
    server=$(process_stamp_of kube-apiserver)
    check "a kind with a schema and a status is served" makes_kind
    watch_gauges
    check "an object of it is kept as it was, with what is left out and without what is unknown" creates
    check "what the schema forbids is refused" refuses
    check "a merge patch" merges
    check "the status is written by its own way only" keeps_status_apart
    check "server-side apply: two owners of one list" has_owners
    check "and who takes what is another's is told so" refuses_conflict
    check "31 objects are listed, in parts and by label" lists
    check "they are deleted" deletes
    # Seven writes; that of a status that was not taken is one, as its author was noted.
    check "a watch told each change once, in order" watch_tells first \
        "ADDED$(printf ' MODIFIED%.0s' {1..7}) DELETED"
    end_watch
    check "and the kind goes" kind_goes
    check "the API server has not ended over it" stamp_is_alive "$server"
}
