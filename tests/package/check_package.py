#!/usr/bin/env python3
"""The Debian packages do what they say.

Builds them with cpack and unpacks them into an empty root. Every library that a program needs comes from a package
that is declared, directly or by one that is; fer asks for no libtorch; every program has its manual page and its
completion; the unpacked fer-predict finds the shipped model beside it and classifies a photo; the examples build against
the unpacked libfer-dev and need nothing that it does not ask for. With --debootstrap the package fer is instead installed
by apt into a fresh Debian, which needs root, debootstrap and a mirror, and run there.

Usage: check_package.py BUILD_DIR WORK_DIR SOURCE_DIR [--debootstrap]
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def names(depends):
    """"a (>= 1) | b, c:any" -> a, b, c"""
    return [re.sub(r"\(.*?\)|:any|\s", "", one) for one in re.split(r"[,|]", depends) if one.strip()]


def installed():
    """Every installed package with what it asks for, and who provides what, by dpkg's own records."""
    asks, providers = {}, {}
    lines = run("dpkg-query", "-W", "-f", "${Package}\\t${Pre-Depends}, ${Depends}\\t${Provides}\\n")
    for line in lines.splitlines():
        package, depends, provides = line.split("\t")
        asks[package] = names(depends)
        for virtual in names(provides):
            providers.setdefault(virtual, []).append(package)
    return asks, providers


def closure(wanted, asks, providers):
    seen, queue = set(), list(wanted)
    while queue:
        package = queue.pop()
        if package in seen:
            continue
        seen.add(package)
        queue += asks.get(package, []) + providers.get(package, [])
    return seen


def owners(libraries):
    found = {}
    for line in run("dpkg", "-S", *[f"*/{library}" for library in libraries]).splitlines():
        packages, path = line.rsplit(": ", 1)
        library = os.path.basename(path)
        found.setdefault(library, set()).update(p.split(":")[0] for p in packages.split(", "))
    return found


def check_unpacked(packages, root, source):
    problems = []
    asks, providers = installed()

    def check_build(folder, allowed):
        """That what the examples included and linked comes from a package that libfer-dev asks for, or the compiler's."""
        allowed = allowed | closure(["g++", "cmake"], asks, providers)
        used = set()
        for file in [*folder.rglob("*.d"), *folder.rglob("link.txt")]:
            used |= set(re.findall(r"/usr/(?:include|lib)/[^\s:;\\]+\.(?:h|hpp|a|so[\d.]*d?)(?=\s|$)", file.read_text()))
        if not any("opencv" in path for path in used):
            problems.append(f"{folder}: what was included and linked is not told")
        found = subprocess.run(["dpkg", "-S", *sorted(used)], capture_output=True, text=True).stdout
        for line in found.splitlines():
            packages_of, path = line.rsplit(": ", 1)
            if not {p.split(":")[0] for p in packages_of.split(", ")} & allowed:
                problems.append(f"libfer-dev: {path} of {packages_of} is needed, not declared")

    def check_libraries(name, program, allowed):
        libraries = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program))
        for library, packages_of in owners(libraries).items():
            if library in libraries and not packages_of & allowed:
                problems.append(f"{name}: {program.name} needs {library} of {sorted(packages_of)}, not declared")

    for package in packages:
        name = run("dpkg-deb", "-f", package, "Package").strip()
        depends = names(run("dpkg-deb", "-f", package, "Depends"))
        allowed = closure([d for d in depends if d != "fer"], asks, providers)
        torch = [p for p in allowed if p.startswith("libtorch")]
        if name != "fer-train" and torch:
            problems.append(f"{name} asks for {torch}")
        before = set(root.glob("usr/bin/*"))
        run("dpkg-deb", "-x", package, str(root))
        if not (root / f"usr/share/doc/{name}/copyright").exists():
            problems.append(f"{name} brings no licence")
        if name == "libfer-dev":
            examples = root.parent / "examples"
            run("cmake", "-G", "Unix Makefiles", "-S", source / "examples", "-B", examples, f"-DCMAKE_PREFIX_PATH={root}/usr",
                "-DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON", "-DCMAKE_DISABLE_FIND_PACKAGE_HDF5=ON")
            run("cmake", "--build", examples)
            check_build(examples, allowed)
            programs = [examples / file.stem for file in (source / "examples").glob("*.cpp")]
            for program in programs:
                if program.exists():  # follow needs fer::live, which may have been left out
                    check_libraries(name, program, allowed)
            run(examples / "analyze", source / "docs/synthetic.png", source / "models/fer.safetensors")
            continue
        programs = sorted(set(root.glob("usr/bin/*")) - before)
        if not programs:
            problems.append(f"{name} has no program")
        for program in programs:
            page = root / f"usr/share/man/man1/{program.name}.1.gz"
            if not page.exists() or b".TH" not in gzip.open(page).read():
                problems.append(f"{program.name} has no manual page")
            completion = root / f"usr/share/bash-completion/completions/{program.name}"
            if subprocess.run(["bash", "-n", completion], capture_output=True).returncode:
                problems.append(f"{program.name} has no completion")
            check_libraries(name, program, allowed)
    models = {file.name for file in (root / "usr/share/fer/models").glob("*")} - {"face_detection_yunet_2022mar.onnx"}
    if models != {"fer.safetensors", "MODEL_CARD.md", "face_detection_yunet.LICENSE"}:
        problems.append(f"fer brings {models} of models")
    if (root / "usr/bin/fer-train").exists():
        run(root / "usr/bin/fer-train", "--config", root / "usr/share/doc/fer-train/examples/configs/compact.yaml",
            "--print-config")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FER_")}
    # Elsewhere than the checkout, whose models would be found first.
    answer = run(root / "usr/bin/fer-predict", "--crops", "--format", "jsonl", source / "docs/synthetic.png",
                 env=environment, cwd=root)
    if "confidence" not in json.loads(answer)["faces"][0]:
        problems.append("the unpacked fer-predict did not answer")
    return problems


def check_installed(packages, root, photo):
    """In a fresh Debian: what apt installs is all that there is."""
    run("debootstrap", "--variant=minbase", "bookworm", str(root))
    shutil.copy("/etc/apt/sources.list", root / "etc/apt/") if os.path.exists("/etc/apt/sources.list") else None
    for folder in ("sources.list.d", "apt.conf.d", "trusted.gpg.d", "keyrings"):
        if os.path.isdir(f"/etc/apt/{folder}"):
            shutil.copytree(f"/etc/apt/{folder}", root / f"etc/apt/{folder}", dirs_exist_ok=True)
    for package in packages:
        shutil.copy(package, root)
    shutil.copy(photo, root / "photo.jpg")
    run("chroot", root, "apt-get", "update", "-qq")
    run("chroot", root, "apt-get", "install", "-y", "-qq", "--no-install-recommends",
        *[f"/{package.name}" for package in packages if package.name.startswith("fer_")])
    for program in ("fer-predict", "fer-live", "fer-mcp", "fer-export", "fer-data"):
        run("chroot", root, program, "--version")
    answer = json.loads(run("chroot", root, "fer-predict", "--format", "jsonl", "/photo.jpg"))
    print(answer["faces"][0]["label"], answer["faces"][0]["confidence"])
    libraries = run("chroot", root, "dpkg-query", "-W", "-f", "${Package}\\n")
    return ["libtorch was installed"] if "libtorch" in libraries else []


def main():
    build, work, source = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    shutil.rmtree(work, ignore_errors=True)
    (work / "root").mkdir(parents=True)
    try:
        run("cpack", "--config", str(build / "CPackConfig.cmake"), "-B", str(work / "packages"))
        packages = sorted((work / "packages").glob("*.deb"))
        if sys.argv[4:] == ["--debootstrap"]:
            problems = check_installed(packages, work / "root", os.environ["FER_PHOTO"])
        else:
            problems = check_unpacked(packages, work / "root", source)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stdout}\n{error.stderr}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(packages)} packages, every dependency declared")


if __name__ == "__main__":
    main()
