# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Images without a registry and without a container tool: a folder becomes an
# image of one layer, in an archive that is an OCI layout and a docker archive at
# once, as every tool wants one of the two. Equal folders make equal archives.

# packed FOLDER: its content as a tar, sorted, of root and of no time.
packed() { tar -c --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$1" .; }

sha256() { sha256sum "$1" | cut -d' ' -f1; }

# put_blob LAYOUT FILE: moves the file to where its content says; prints that name.
put_blob() {
    local digest
    digest=$(sha256 "$2")
    mv "$2" "$1/blobs/sha256/$digest"
    echo "$digest"
}

# descriptor LAYOUT MEDIA-TYPE DIGEST [MORE]
descriptor() {
    printf '{"mediaType": "%s", "digest": "sha256:%s", "size": %d%s}' \
        "$2" "$3" "$(stat -c %s "$1/blobs/sha256/$3")" "${4:+, $4}"
}

# make_image NAME FOLDER FILE [ENTRYPOINT...]
make_image() {
    local name=$1 folder=$2 file=$3 work entrypoint='' word plain layer config manifest oci=application/vnd.oci.image
    shift 3
    for word; do entrypoint+="${entrypoint:+, }\"$word\""; done
    work=$(mktemp -d "$file.XXXXXX")
    mkdir -p "$work/layout/blobs/sha256"
    packed "$folder" >"$work/layer.tar"
    plain=$(sha256 "$work/layer.tar")
    # More effort takes three times as long, and half a percent off.
    gzip -n -6 "$work/layer.tar"
    layer=$(put_blob "$work/layout" "$work/layer.tar.gz")
    cat >"$work/config" <<END
{"architecture": "$(dpkg --print-architecture)", "os": "linux", "created": "1970-01-01T00:00:00Z",
 "config": {"Entrypoint": [$entrypoint], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$plain"]}}
END
    config=$(put_blob "$work/layout" "$work/config")
    cat >"$work/manifest" <<END
{"schemaVersion": 2, "mediaType": "$oci.manifest.v1+json",
 "config": $(descriptor "$work/layout" $oci.config.v1+json "$config"),
 "layers": [$(descriptor "$work/layout" $oci.layer.v1.tar+gzip "$layer")]}
END
    manifest=$(put_blob "$work/layout" "$work/manifest")
    echo '{"imageLayoutVersion": "1.0.0"}' >"$work/layout/oci-layout"
    cat >"$work/layout/index.json" <<END
{"schemaVersion": 2, "mediaType": "$oci.index.v1+json",
 "manifests": [$(descriptor "$work/layout" $oci.manifest.v1+json "$manifest" "\"annotations\": {
  \"io.containerd.image.name\": \"$name\", \"org.opencontainers.image.ref.name\": \"${name##*:}\"}")]}
END
    cat >"$work/layout/manifest.json" <<END
[{"Config": "blobs/sha256/$config", "RepoTags": ["$name"], "Layers": ["blobs/sha256/$layer"]}]
END
    packed "$work/layout" >"$work/image.tar"
    mv "$work/image.tar" "$file"
    rm -rf "$work"
}

# add_libraries FOLDER PROGRAM...: what the programs are linked with, to where the loader looks for it.
add_libraries() {
    local folder=$1 program
    shift
    # A static program is none that ldd knows.
    for program; do ldd "$program" 2>/dev/null | grep -oE '/[^ ]+' || true; done | sort -u |
        xargs -r cp -Ln --parents -t "$folder"
}
