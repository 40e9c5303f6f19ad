import { Markup } from './html.ts';

/** Colours by what they stand for, of a light page and of a dark one: text has a contrast of 4.5 at least on what it stands on. */
const COLOURS = {
  page: ['#f3f5f8', '#0d1117'],
  panel: ['#ffffff', '#161b22'],
  inset: ['#f3f5f8', '#0d1117'],
  ink: ['#17212c', '#e6ebf1'],
  soft: ['#546170', '#9ba8b6'],
  line: ['#d3dae2', '#303a45'],
  outbound: ['#1558c0', '#79b0ff'],
  inbound: ['#7436c4', '#c09bff'],
  delivered: ['#0a6b45', '#4cd69c'],
  direct: ['#5a6673', '#98a5b3'],
  good: ['#0a6b45', '#4cd69c'],
  bad: ['#b3212a', '#ff8585'],
  'bad-back': ['#fdeeee', '#33181b'],
  warn: ['#7d5200', '#e9b950'],
  'warn-back': ['#fff6e0', '#2c2413'],
  ours: ['#163a6b', '#a8caff'],
  'on-ours': ['#ffffff', '#0d1b2e'],
} as const;

const variables = (at: 0 | 1): string =>
  Object.entries(COLOURS)
    .map(([name, pair]) => `--${name}:${pair[at]}`)
    .join(';');

const MONO = 'ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace';
const SANS = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif';

/** The style sheet of the page. */
export const STYLE: Markup = new Markup(`
:root{color-scheme:light dark;${variables(0)}}
@media (prefers-color-scheme:dark){:root{${variables(1)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 ${SANS}}
main{max-width:1220px;margin:0 auto;padding:28px 20px 56px}
h1{font-size:26px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:17px;margin:34px 0 10px}
p{margin:6px 0}
code,.mono{font-family:${MONO};font-size:.88em}
.soft{color:var(--soft)}
.good{color:var(--good)}
.bad{color:var(--bad)}
.warn{color:var(--warn)}
header{display:flex;flex-wrap:wrap;gap:6px 24px;align-items:baseline;justify-content:space-between}
header p{margin:0}
.panel{background:var(--panel);border:1px solid var(--line);border-radius:12px;padding:14px 16px}
.verdict{display:flex;gap:12px;align-items:flex-start;margin:18px 0 14px;border-left-width:5px}
.verdict>div>b{font-size:17px}
.verdict ul{margin:6px 0 0;padding-left:18px}
.verdict li{overflow-wrap:anywhere}
.verdict.is-good{border-left-color:var(--good)}
.verdict.is-bad{border-left-color:var(--bad);background:var(--bad-back)}
.verdict.is-warn{border-left-color:var(--warn);background:var(--warn-back)}
.mark{font-size:20px;line-height:1.2}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 14px;padding:0;list-style:none}
.tiles b{display:block;font-size:24px;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles span{color:var(--soft);font-size:13px}
figure{margin:0;padding:10px}
figure svg{display:block;width:100%;height:auto}
figure svg.narrow{display:none}
@media (max-width:860px){main{padding:18px 10px 40px}figure{padding:4px}figure svg.wide{display:none}figure svg.narrow{display:block}}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;margin:4px 8px 8px;padding:0;list-style:none;font-size:13px;color:var(--soft)}
.legend i{display:inline-block;width:22px;height:0;border-top:3px solid;margin-right:7px;vertical-align:middle}
.legend .pill{width:auto;height:auto;border:0;border-radius:5px;padding:0 6px;background:var(--ours);color:var(--on-ours);font:11px/18px ${MONO}}
.scroll{overflow-x:auto;padding:0}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{padding:7px 12px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft);font-size:12.5px;white-space:nowrap}
tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.mono{font-size:12.5px;white-space:nowrap}
tr.bad td{background:var(--bad-back)}
details>summary{cursor:pointer;padding:8px 12px;color:var(--soft);font-size:13.5px}
.bar{display:inline-block;width:110px;height:8px;border-radius:4px;background:var(--inset);border:1px solid var(--line);overflow:hidden;vertical-align:middle}
.bar i{display:block;height:100%;background:var(--good)}
.bar i.warn{background:var(--warn)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:34px;color:var(--soft);font-size:13px}
svg text{font-family:${MONO};fill:var(--ink)}
svg .title{font-family:${SANS};font-size:13px;font-weight:600}
svg .head{font-family:${SANS};font-size:12px;fill:var(--soft)}
svg .name{font-size:12.5px;font-weight:700}
svg .small{font-size:11px}
svg .label{font-size:11px}
svg .t-soft{fill:var(--soft)}
svg .t-good{fill:var(--good)}
svg .t-bad{fill:var(--bad)}
svg .t-warn{fill:var(--warn)}
svg .t-outbound{fill:var(--outbound)}
svg .t-inbound{fill:var(--inbound)}
svg .t-delivered{fill:var(--delivered)}
svg .t-direct{fill:var(--direct)}
svg .t-dropped{fill:var(--bad)}
svg .box{fill:var(--panel);stroke:var(--line);stroke-width:1.2}
svg .box.inner{fill:var(--inset)}
svg .box.is-bad{stroke:var(--bad);fill:var(--bad-back);stroke-width:1.6}
svg .box.gone{stroke-dasharray:5 4}
svg .frame{fill:none;stroke:var(--line);stroke-width:1.2}
svg .pill{fill:var(--panel);stroke:var(--soft);stroke-width:1}
svg .pill.ours{fill:var(--ours);stroke:var(--ours)}
svg .pill.never{stroke:var(--bad);stroke-dasharray:3 2;fill:var(--bad-back)}
svg .pill-text{font-size:10.5px}
svg .pill-text.ours{fill:var(--on-ours)}
svg .pill-text.never{fill:var(--bad);text-decoration:line-through}
svg .pill-text.absent{text-decoration:none}
svg path.flow{fill:none;stroke-linejoin:round;stroke-linecap:round}
svg path.idle{stroke-dasharray:2 5}
svg .outbound{stroke:var(--outbound)}
svg .inbound{stroke:var(--inbound)}
svg .delivered{stroke:var(--delivered)}
svg .direct{stroke:var(--direct)}
svg path.head-outbound{fill:var(--outbound)}
svg path.head-inbound{fill:var(--inbound)}
svg path.head-delivered{fill:var(--delivered)}
svg path.head-direct{fill:var(--direct)}
svg .dot-good{fill:var(--good)}
svg .dot-bad{fill:var(--bad)}
svg .dot-warn{fill:var(--warn)}
@media print{body{background:#fff}main{max-width:none}.panel{break-inside:avoid}}
`);
