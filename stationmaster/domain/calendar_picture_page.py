"""The page of a calendar picture: inline SVG in light and dark, tables that say the same in words. It fetches nothing
and runs no script; everything that is put into it is escaped.
"""

from jinja2 import Environment

_SOURCE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<style>
:root{--page:#fff;--ink:#1b2733;--soft:#5a6b7b;--line:#dde3e9;
--weekend:#eef1f5;--open:#8fd3a5;--shut:#b4533f;--plan:#123a8c}
@media (prefers-color-scheme:dark){
:root{--page:#12181f;--ink:#e6ebf0;--soft:#9aa9b8;--line:#2a343f;
--weekend:#1b242d;--open:#2f7d4c;--shut:#e08a73;--plan:#a9c6ff}}
body{margin:0;padding:20px;width:max-content;background:var(--page);color:var(--ink);
font:14px/1.45 system-ui,sans-serif}
h1{font-size:20px;margin:0}h2{font-size:15px;margin:26px 0 6px}p{margin:2px 0 10px;color:var(--soft)}
svg{display:block}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
.dates{position:sticky;top:0;background:var(--page);z-index:1;border-bottom:1px solid var(--line)}
svg .soft{fill:var(--soft)}svg .ring{font-weight:600}svg .day{text-anchor:middle}
.weekend{fill:var(--weekend)}.line{stroke:var(--line)}.edge{stroke:var(--soft);stroke-dasharray:3 3}
.open{fill:var(--open)}.hatch{stroke:var(--shut);stroke-width:2}
.shut{fill:url(#shut);stroke:var(--shut);stroke-width:.8}
.slot{fill:var(--page);stroke:var(--plan);stroke-width:2}
svg .said{stroke:var(--page);stroke-width:4px;stroke-linejoin:round;paint-order:stroke;font-size:11px}
svg .name{fill:var(--plan);font-weight:600}svg .note{font-size:11px}.paper{fill:var(--page)}
.legend{display:flex;flex-wrap:wrap;max-width:1320px;gap:4px 17px;margin:0 0 12px;padding:0;list-style:none}
.legend li{display:flex;gap:7px;align-items:center}
table{border-collapse:collapse;max-width:1320px}
caption{text-align:left;font-weight:600;padding:22px 0 6px;font-size:15px}
th,td{text-align:left;vertical-align:top;padding:3px 18px 3px 0;
border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:600;white-space:nowrap}
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>{{ about }}</p>
<svg width="0" height="0" aria-hidden="true"><defs>
<pattern id="shut" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
<path class="hatch" d="M0 0V6"/></pattern>
</defs></svg>
<ul class="legend">
<li><svg width="26" height="14" aria-hidden="true"><rect class="open" width="26" height="14"/></svg>filled: open</li>
<li><svg width="26" height="14" aria-hidden="true"><rect class="shut" width="26" height="14"/></svg>\
hatched: a blackout or a freeze</li>
<li><svg width="26" height="14" aria-hidden="true"><rect class="slot" x="1" y="1" width="24" height="12"/></svg>\
outlined: the planned slot and its wave</li>
<li><svg width="26" height="14" aria-hidden="true"><rect class="weekend" width="26" height="14"/></svg>\
Saturday, Sunday</li>
<li>empty: closed</li>
<li>dashed: what was planned</li>
<li>✕ no slot, and why</li>
</ul>
<svg class="dates" width="{{ size.width }}" height="{{ size.head }}" aria-hidden="true">
{% for day in days %}
{% if day.weekend %}
<rect class="weekend" x="{{ day.x }}" y="18" width="{{ day.width }}" height="{{ size.head }}"/>
{% endif %}
{% if day.month %}<text class="soft" x="{{ day.x + 4 }}" y="12">{{ day.month }}</text>{% endif %}
{% if day.week %}<text class="day soft" x="{{ (day.x + day.width / 2)|round(2) }}" y="30">{{ day.week }}</text>\
<text class="day" x="{{ (day.x + day.width / 2)|round(2) }}" y="44">{{ day.day }}</text>{% endif %}

{% endfor %}
</svg>
<svg width="{{ size.width }}" height="{{ size.tall }}" role="img" aria-labelledby="what said">
<title id="what">{{ title }}: {{ about }}</title>
<desc id="said">A row for each tenant, by ring, a column for each day. The tables below say the same in words.</desc>
{% for day in days %}
{% if day.weekend %}<rect class="weekend" x="{{ day.x }}" width="{{ day.width }}" height="{{ size.tall }}"/>{% endif %}
<path class="line" d="M{{ day.x }} 0V{{ size.tall }}"/>
{% endfor %}
<path class="line" d="M{{ size.right }} 0V{{ size.tall }}"/>
{% for ring in rings %}
<path class="line" d="M0 {{ ring.y }}H{{ size.right }}"/>
<text class="ring" x="2" y="{{ ring.y + 17 }}">{{ ring.name }}</text>
{% for row in ring.rows %}
<g class="row"><title>{{ row.about }}; {{ row.said }}</title>
<rect x="0" y="{{ row.y }}" width="{{ size.right }}" height="{{ row.height }}" fill="none" pointer-events="all"/>
<text x="12" y="{{ row.y + row.height / 2 + 4 }}">{{ row.label }}</text>
{% if row.open %}<path class="open" d="{{ row.open }}"/>{% endif %}

{% for x, width, told in row.closings %}
<rect class="shut" x="{{ x }}" y="{{ row.y + 3 }}" width="{{ width }}" height="{{ row.height - 6 }}">\
<title>{{ told }}</title></rect>
{% endfor %}
{% if row.slot %}
<rect class="slot" x="{{ row.slot.x }}" y="{{ row.y + 2 }}" width="{{ row.slot.width }}" height="{{ row.height - 4 }}"/>
<text class="said name" x="{{ row.slot.at }}" y="{{ row.y + row.height / 2 + 4 }}" \
text-anchor="{{ row.slot.anchor }}">{{ row.slot.name }}</text>
{% endif %}
{% if row.note %}
<rect class="paper" x="{{ size.left + 3 }}" y="{{ row.y + 2 }}" width="{{ row.note_width }}" \
height="{{ row.height - 4 }}"/>
<text class="note" x="{{ size.left + 8 }}" y="{{ row.y + row.height / 2 + 4 }}">{{ row.note }}</text>
{% endif %}
</g>
{% endfor %}
{% endfor %}
{% for x in period %}<path class="edge" d="M{{ x }} 0V{{ size.tall }}"/>{% endfor %}

</svg>
{% if waves %}
<table><caption>Waves</caption><tr><th>wave</th><th>slot</th><th>tenants</th></tr>
{% for name, slot, tenants in waves %}
<tr><th>{{ name }}</th><td>{{ slot }}</td><td>{{ tenants|join(", ") }}</td></tr>
{% endfor %}
</table>
{% endif %}
{% if closings %}
<table><caption>Blackouts and freezes</caption><tr><th>name</th><th>tenants</th></tr>
{% for name, tenants in closings.items() %}
<tr><th>{{ name }}</th><td>{{ tenants|join(", ") }}</td></tr>
{% endfor %}
</table>
{% endif %}
<table><caption>Tenants</caption><tr><th>tenant</th><th>ring</th><th>open, hours</th><th>planned</th></tr>
{% for ring in rings %}
{% for row in ring.rows %}
<tr><th>{{ row.tenant }}</th><td>{{ ring.name }}</td><td>{{ row.hours }}</td><td>{{ row.said }}</td></tr>
{% endfor %}
{% endfor %}
</table>
</body>
</html>
"""
PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True).from_string(
    _SOURCE
)
