"""How the page looks: by day, by night, and on paper.

The colours are those of Okabe and Ito, which colour-blind people tell apart. None carries a meaning alone: stable is hollow and
the candidate is full, a verdict has a sign and a word, and each bar has its name and its number beside it.
"""

_DAY = """
  --paper: #fff; --card: #f6f7f9; --ink: #1b1f24; --pale: #565f6b; --line: #d4d9e0; --bound: #1b1f24;
  --stable: #0072b2; --candidate: #b34700; --within: #007a5a; --worse: #5f5f9e;
  --pass: #00664a; --fail: #a33200; --open: #6b5200; --agreed: 0 114 178; --differed: 213 94 0;
"""
_NIGHT = """
  --paper: #14171b; --card: #1d2127; --ink: #e8eaed; --pale: #a7b0bb; --line: #3a414b; --bound: #e8eaed;
  --stable: #6cc0f0; --candidate: #f0a03c; --within: #3fc49b; --worse: #b3b3ef;
  --pass: #4fd0a5; --fail: #ff9a66; --open: #e8cb4d; --agreed: 64 148 208; --differed: 190 92 20;
"""
_RULES = """
* { box-sizing: border-box }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem }
h3 { font-size: 1rem; margin: 0 }
p { margin: .4rem 0 }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; unicode-bidi: isolate }
.pale, figcaption, th { color: var(--pale) }
.cause { border-left: 4px solid var(--fail); padding: .3rem .8rem; margin: .8rem 0 }

.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th {
  padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; unicode-bidi: isolate;
  border-bottom: 1px solid var(--line);
}
th { font-weight: 600 }
tbody th { color: var(--ink); font-weight: 500 }
tbody tr:last-child > * { border-bottom: 0 }
td { min-width: 5rem; max-width: 34rem }

.card {
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1.1rem; margin: .8rem 0;
}
.card header { display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: baseline }
.badge { font-weight: 650; white-space: nowrap }
.Pass, .Completed { color: var(--pass) }
.Fail, .Aborted { color: var(--fail) }
.Undecided, .Superseded { color: var(--open) }
.measure td, .measure th { vertical-align: middle; white-space: nowrap }
.measure tbody th { white-space: normal; min-width: 6.5rem; max-width: 12rem }
.measure tbody th .badge { display: block }

figure { margin: .6rem 0 }
figcaption { font-size: .87rem }
svg { display: block }
figure svg { width: 100%; height: auto; min-width: 44rem }
svg text {
  fill: var(--ink); font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 11px;
}
svg .dim { fill: var(--pale) }
.axis { stroke: var(--line) }
.zero { stroke: var(--pale) }
.bound { stroke: var(--bound); stroke-width: 1.6 }
.ratio { stroke-dasharray: 3 2 }
.span { stroke: var(--candidate); stroke-width: 5; stroke-opacity: .45 }
.ends { stroke: var(--candidate); stroke-width: 1.6 }
.stable { fill: var(--card); stroke: var(--stable); stroke-width: 2 }
.candidate { fill: var(--candidate) }
.weight { fill: none; stroke: var(--candidate); stroke-width: 2.2 }
.under { fill: var(--candidate); fill-opacity: .16 }
.copies { fill: none; stroke: var(--stable); stroke-width: 2; stroke-dasharray: 6 4 }
.bar { fill-opacity: .22 }
.bar.reached { fill-opacity: 1 }
.against { fill: var(--candidate); stroke: var(--candidate) }
.within { fill: var(--within); stroke: var(--within) }
.worse { fill: var(--worse); stroke: var(--worse) }
.mark { fill: var(--paper); stroke: var(--pale) }
.drop { stroke: var(--pale); stroke-dasharray: 2 3 }

.heat { margin: .4rem 0 .8rem }
.heat td, .heat th { text-align: right; border: 1px solid var(--line); padding: .3rem .5rem; min-width: 0 }
.heat td { white-space: nowrap }
.heat tbody tr:last-child > * { border-bottom: 1px solid var(--line) }
.heat small { display: block }
.heat .same { background: rgb(var(--agreed) / calc(var(--share) * .5)); outline: 2px solid var(--stable); outline-offset: -2px }
.heat .other { background: rgb(var(--differed) / calc(var(--share) * .5)) }

@media (max-width: 40rem) { body { padding: .8rem } }
@media print {
  @page { size: A4; margin: 12mm }
  body { max-width: none; padding: 0; font-size: 9pt; -webkit-print-color-adjust: exact; print-color-adjust: exact }
  .card header, figure, tr { break-inside: avoid }
  h2, h3, .card header, .card > p { break-after: avoid }
  .wide { overflow: visible }
  figure svg { min-width: 0 }
  .measure td, .measure th { padding-right: .5rem; white-space: normal; min-width: 0 }
  .measure svg { max-width: 48mm; height: auto }
  .heat { font-size: 7pt }
  .heat td, .heat th { padding: 1px 2px }
}
"""

STYLE = (
    f":root {{ color-scheme: light dark;{_DAY}}}\n"
    f"@media screen and (prefers-color-scheme: dark) {{ :root {{{_NIGHT}}} }}\n{_RULES.lstrip()}"
)
