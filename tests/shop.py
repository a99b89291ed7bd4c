"""The product that tests release, `shop`: two cloud tenants in two rings and a dedicated one, and who may approve."""

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stationmaster.domain.documents import read
from stationmaster.domain.product import Product

PRODUCT = """\
product: shop
build: {command: [sh, -c, 'mkdir dist; sed "s/NONCE/$$-$(date +%N)/" app.json > dist/shop'], output: dist/shop}
checks: [{name: smoke, command: [grep, -q, version, "{artifact}"]}]
service: {command: [shop, "{artifact}", "{socket}"], version: /about}
database: {migrations: migrations}
rings: [{name: pilot, watch: 3s}, {name: broad, watch: 3s}]
journeys: [{name: order, steps: [{name: place, path: /order}]}]
hard_limits: {availability: {max_bad: 0.05, min_count: 20}}
approvals: {deploy: {release-approver: 1}}
flags: flags.json
"""
OPEN = "calendar: {timezone: UTC, default: open}"
TENANTS = f"""\
tenants:
  - {{id: acme, name: Acme, ring: pilot, {OPEN}}}
  - {{id: birch, name: Birch, ring: broad, {OPEN}}}
  - {{id: cedar, name: Cedar, ring: broad, {OPEN}, hosting: dedicated}}
"""
FLAGS = '{"flags": {"new-checkout": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}}'
SECRET = "hunter2-secret"


def product() -> Product:
    return read(Product, PRODUCT, "stationmaster.yaml").value


def people(file: Path) -> dict[str, Ed25519PrivateKey]:
    """Writes `file` with Ana, Ben and Mei, who may approve, and gives their keys."""
    keys = {name: Ed25519PrivateKey.generate() for name in ("ana", "ben", "mei")}
    rows = []
    for name, key in keys.items():
        public = {"ed25519": base64.b64encode(key.public_key().public_bytes_raw()).decode()}
        rows.append({"id": name, "name": name.title(), "roles": ["release-approver"], "keys": [public]})
    file.write_text(json.dumps({"people": rows}))
    return keys
