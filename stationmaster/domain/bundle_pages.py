"""The two pages of a bundle for people: how to check it without us, and which control is evidenced where."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from stationmaster.domain.retention import Retention, kept

_SCRIPT = """\
import base64, hashlib, json, sys, zipfile
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

bundle, keys = sys.argv[1], json.load(open(sys.argv[2]))  # keys: {"service": base64, "log": vkey}
sha = lambda raw: hashlib.sha256(raw).digest()
node = lambda left, right: sha(b"\\x01" + left + right)
key = lambda raw: Ed25519PublicKey.from_public_bytes(raw)

def check(holds, what):  # no assert: python -O leaves those out
    if not holds:
        sys.exit(f"BAD: {what}")

with zipfile.ZipFile(bundle) as archive:
    names = archive.namelist()
    check(len(names) == len(set(names)), "a file is there twice")
    files = {name: archive.read(name) for name in names}

# 1. The service signed the index: DSSE, over a statement that names its digest.
envelope = json.loads(files["release.json.dsse"])
payload, kind = base64.b64decode(envelope["payload"], validate=True), envelope["payloadType"]
pae = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
key(base64.b64decode(keys["service"])).verify(base64.b64decode(envelope["signatures"][0]["sig"]), pae)
signed = json.loads(payload)
check(signed["predicateType"] == "https://stationmaster.dev/bundle/v1", "something else was signed")
check(signed["subject"][0]["digest"]["sha256"] == sha(files["release.json"]).hex(), "another index was signed")

# 2. Every file is in the index with its digest, and nothing else is there.
index = json.loads(files["release.json"])
listed = {row["name"]: row["digest"] for row in index["files"]}
check(set(files) == {*listed, "release.json", "release.json.dsse"}, "the index lists other files")
for name, digest in listed.items():
    check("sha256:" + sha(files[name]).hex() == digest, f"{name} is another file than the index says")

# 3. The log's key signed the checkpoint, and its root is that of all leaves (RFC 6962).
text, signatures = files["log/checkpoint"].decode().rsplit("\\n\\n", 1)
origin, size, root = text.split("\\n")
name, _, verifier = keys["log"].split("+", 2)
signature = base64.b64decode(signatures.split("\\n")[0].rpartition(" ")[2])
check(origin == name, "the checkpoint is of another log")
key(base64.b64decode(verifier)[1:]).verify(signature[4:], (text + "\\n").encode())
leaves = [files["log/leaves"][at : at + 32] for at in range(0, len(files["log/leaves"]), 32)]
level = leaves
while len(level) > 1:
    level = [node(*level[at : at + 2]) if at + 1 < len(level) else level[at] for at in range(0, len(level), 2)]
check(len(leaves) == int(size) and level[0] == base64.b64decode(root), "the leaves are not those of the checkpoint")

# 4. Every entry of the release is a leaf, at its place; each proof says the same without the other leaves.
lines = files["log/entries.jsonl"].splitlines()
check([json.loads(line)["index"] for line in lines] == index["entries"], "the index lists other entries")
for line in lines:
    number, release = json.loads(line)["index"], json.loads(line)["release"]
    made = sha(b"\\x00" + line)
    check(leaves[number] == made and release == index["release"], f"entry {number} is not in the log so")
    proof = files[f"log/proofs/{number}.tlog-proof"].decode().partition("\\n\\n")[0].split("\\n")[2:]
    mine, last = number, int(size) - 1
    for other in map(base64.b64decode, proof):
        if mine & 1 or mine == last:
            made = node(other, made)
            while not mine & 1 and mine:
                mine, last = mine >> 1, last >> 1
        else:
            made = node(made, other)
        mine, last = mine >> 1, last >> 1
    check(made == base64.b64decode(root), f"the proof of entry {number} is wrong")
print(f"{index['release']}: {len(files)} files, {len(index['entries'])} entries, checkpoint of {size}: good")
"""

VERIFY_PAGE = f"""\
# How to check this bundle

With Stationmaster, on a machine without a network:

```sh
stationmaster evidence verify FILE.zip --keys approvers.yaml --checkpoint CHECKPOINT
```

`approvers.yaml` says whose keys count: ask for it elsewhere than for this file. `CHECKPOINT` is a signed checkpoint of
the same log that you got elsewhere: from the place where it was published, from an auditor, from another customer. It
must not be larger than the one in this bundle.

## Without Stationmaster

This needs Python and its package `cryptography` and trusts nothing in the bundle but these two keys, which you bring:
`{{"service": "the service's ed25519 key in base64", "log": "the log's vkey"}}`, both from `approvers.yaml`.

```python
{_SCRIPT}```

It checks that the service vouches for every byte, and that each entry is in the log that the checkpoint is of. What is
left, each in a few lines more:

- **Who approved.** `approvals/*.intoto.jsonl` are DSSE envelopes, checked as in step 1 with the people's keys. Their
  payload names the digest of the mandate, which is `fact.digest` of an entry `mandated`; that entry says how many of
  which role it takes. Nobody counts who started the release or wrote all of it: see `approvals/*.who.json`, whose
  SHA-256 is the `payload` of the entry with the same number.
- **What was attested.** `attestations/*.intoto.jsonl` are DSSE envelopes too. An entry `attested` has the SHA-256 of
  each.
- **Nothing is missing.** The last entry `closed` lists the indexes of every entry of the release before it; they are
  `entries` and `hidden` of `release.json` together. It must come after the entry that ended the release. Hidden are
  entries that name another customer: of them there is the leaf alone. What came after `closed`, the index alone says.
- **What is absent** is in `absent` of `release.json`. Logs, reports and names may be; approvals and attestations not.
- **The mandate of one customer.** `mandate_openings/N.json`, canonical JSON, has a SHA-256 that is in
  `fact.content.tenants` of the entry `mandated` whose index is N. That of the last one before a deployment counts.
- **An older log.** The leaves up to the size of another checkpoint have that checkpoint's root.
"""

_ROWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("CC8.1", "changes are authorized", ("approvals/*.intoto.jsonl", "log/entries.jsonl")),
    ("CC8.1", "changes are documented, and asked for", ("notes/*", "cmdb/change_request.json", "log/entries.jsonl")),
    ("CC8.1", "changes are tested before they are deployed", ("reports/*", "logs/*-test-*", "attestations/*-tested-*")),
    ("CC8.1", "changes are approved by others than their authors", ("approvals/*.who.json", "approvals/*.jsonl")),
    ("CC8.1", "what was deployed is what was built and approved", ("attestations/*-built-*", "log/entries.jsonl")),
    ("CC8.1", "data structures change in a controlled way", ("migrations/*", "logs/*-migrate-*")),
    ("CC8.1", "configuration items are tracked", ("cmdb/cis.json", "cmdb/changes.csv")),
    ("CC7.1", "known vulnerabilities are looked for", ("sbom.cdx.json", "scans/*")),
    ("A.8.32", "impact is assessed before: plan, waves, mandate", ("log/entries.jsonl", "mandate_openings/*")),
    ("A.8.32", "authorization of changes", ("approvals/*.intoto.jsonl",)),
    ("A.8.32", "customers agree where their contracts ask for it", ("consents/*", "log/entries.jsonl")),
    ("A.8.32", "relevant parties are told", ("notes/*", "log/entries.jsonl")),
    ("A.8.32", "tests and acceptance of tests", ("reports/*", "attestations/*-tested-*", "attestations/*-verdict-*")),
    ("A.8.32", "implementation by plan, wave by wave", ("logs/*-deploy-*", "attestations/*-deployed-*")),
    ("A.8.32", "emergency and fall-back: what was rolled back, waived or done alone", ("log/entries.jsonl",)),
    ("A.8.32", "records of changes that cannot be altered", ("log/checkpoint", "log/leaves", "log/proofs/*")),
)  # fmt: skip


def controls_page(names: Iterable[str], retention: Retention | None) -> str:
    """`controls.md`: each part of a control, the files that evidence it, and how many of them are in this bundle; then
    how long all of it is kept.
    """
    there = sorted(names)
    rows = [
        f"| {control} | {part} | {'<br>'.join(_counted(glob, there) for glob in globs)} |"
        for control, part, globs in _ROWS
    ]
    return "\n".join([_HEAD, *rows, _KEPT, *(f"- {line}" for line in kept(retention)), ""])


_HEAD = """\
# Which control is evidenced where

SOC 2 is meant by CC8.1 (Trust Services Criteria 2017, change management) and CC7.1, ISO/IEC 27001:2022 by A.8.32
(change management). A file that is not there is in `absent` of `release.json` with the reason, or the release had no
such step.
Whether the control is met is the auditor's judgement; this says where to look.

| Control | What it asks | Files here |
|---|---|---|"""


_KEPT = """
## How long evidence is kept

By the policy that was in force when this bundle was made. Entries of the ledger are never deleted.
"""


def _counted(glob: str, names: Iterable[str]) -> str:
    count = sum(fnmatchcase(name, glob) for name in names)
    return f"`{glob}`" if count and "*" not in glob else f"`{glob}` ({count or 'none'})"
