"""Writes what the program is made of: sbom.cdx.json (CycloneDX 1.6) and third-party.txt (the licences' texts).

Usage: sbom.py FOLDER < cargo-metadata.json
The input is that of `cargo metadata --format-version 1 --locked --filter-platform TARGET`; only what is linked into the
program is listed, not what builds or tests it.
"""
import json
import os
import pathlib
import sys

metadata = json.load(sys.stdin)
folder = pathlib.Path(sys.argv[1])
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = metadata["resolve"]["root"]


def linked(node):
    """The packages that `node` is linked with: neither its build scripts' nor its tests', and no compiler's plug-ins."""
    for dependency in node["deps"]:
        kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
        plug_in = any("proc-macro" in target["kind"] for target in packages[dependency["pkg"]]["targets"])
        if None in kinds and not plug_in:
            yield dependency["pkg"]


waiting, found = [root], set()
while waiting:
    identity = waiting.pop()
    if identity not in found:
        found.add(identity)
        waiting.extend(linked(nodes[identity]))
libraries = sorted(
    (packages[identity] for identity in found if identity != root), key=lambda package: (package["name"], package["version"])
)


def name(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, kind):
    entry = {"type": kind, "bom-ref": name(package), "name": package["name"], "version": package["version"]}
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return entry | {"purl": name(package)}


program = packages[root]
bill = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {"component": component(program, "application")},
    "components": [component(package, "library") for package in libraries],
    "dependencies": [
        {"ref": name(packages[identity]), "dependsOn": sorted({name(packages[other]) for other in linked(nodes[identity])})}
        for identity in sorted(found, key=lambda identity: name(packages[identity]))
    ],
}
(folder / "sbom.cdx.json").write_text(json.dumps(bill, indent=1) + "\n")

texts, missing = {}, []
for package in libraries:
    source = pathlib.Path(package["manifest_path"]).parent
    files = [
        entry
        for entry in sorted(os.listdir(source))
        if entry.upper().startswith(("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"))
        and (source / entry).is_file()
    ]
    if not files:
        missing.append(package)
    for entry in files:
        text = (source / entry).read_text(errors="replace").strip()
        texts.setdefault(text, []).append(f"{package['name']} {package['version']} ({package['license']})")
with (folder / "third-party.txt").open("w") as out:
    out.write(f"The libraries that {program['name']} {program['version']} is linked with, and the texts of their licences.\n")
    for package in missing:
        out.write(f"\n{package['name']} {package['version']}: {package['license']}; its source has no text of it.\n")
    for text, users in sorted(texts.items(), key=lambda item: item[1]):
        out.write(f"\n{'=' * 78}\n{chr(10).join(sorted(set(users)))}\n{'-' * 78}\n\n{text}\n")
print(f"{len(libraries)} libraries, {len(texts)} licence texts, {len(missing)} without one")
