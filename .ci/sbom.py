"""Writes what the program is made of: sbom.cdx.json (CycloneDX 1.6) and third-party.txt (the licences' texts).

Usage: sbom.py FOLDER TARGET
Only what is linked into the program for that target is listed, not what builds or tests it. Which libraries these are,
`cargo tree` knows: `cargo metadata` also has those that only a test's features ask for, or nobody's.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

folder, target = pathlib.Path(sys.argv[1]), sys.argv[2]


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], check=True, stdout=subprocess.PIPE, text=True).stdout


metadata = json.loads(cargo("metadata", "--format-version", "1", "--features", "fleet", "--filter-platform", target))
packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
linked, above = {}, []
for line in cargo("tree", "--features", "fleet", "--edges", "normal,no-proc-macro", "--target", target, "--prefix", "depth").splitlines():
    depth, library, version = re.match(r"(\d+)(\S+) v(\S+)", line).groups()
    above[int(depth):] = [(library, version)]
    linked.setdefault((library, version), set())
    if len(above) > 1:
        linked[above[-2]].add(above[-1])
root = next(iter(linked))
libraries = [packages[identity] for identity in sorted(linked) if identity != root]


def name(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, kind):
    entry = {"type": kind, "bom-ref": name(package), "name": package["name"], "version": package["version"]}
    if package["license"]:
        entry["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    return entry | {"purl": name(package)}


program = packages[root]
bill = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {"component": component(program, "application")},
    "components": [component(package, "library") for package in libraries],
    "dependencies": [
        {"ref": name(packages[identity]), "dependsOn": sorted(name(packages[other]) for other in linked[identity])}
        for identity in sorted(linked)
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
