"""How the page looks: one set of rules, and the colours of two palettes, for light and for dark."""
# Text and what it stands on must differ by 4.5:1, other shapes by 3:1: tests compute both.
LIGHT = {
    "back": "#eef0f3", "card": "#ffffff", "text": "#16191d", "soft": "#4b545f", "line": "#c9cfd6", "link": "#0b4f9e",
    "good": "#0a6636", "warn": "#855000", "bad": "#b0151a", "plot": "#1c62ad", "area": "#d3e3f5", "out": "#f3b6b5",
    "good_back": "#0a6636", "warn_back": "#855000", "bad_back": "#a81218", "front": "#ffffff", "focus": "#0b4f9e",
}
DARK = {
    "back": "#101316", "card": "#1a1e23", "text": "#e8ebee", "soft": "#a9b2bc", "line": "#3a424b", "link": "#8fc1ff",
    "good": "#5ed394", "warn": "#f2b84b", "bad": "#ff8d87", "plot": "#6aaef5", "area": "#213a55", "out": "#7a2b2b",
    "good_back": "#0f5c34", "warn_back": "#7a4a00", "bad_back": "#a3161b", "front": "#ffffff", "focus": "#8fc1ff",
}

# What is written in which colour on which: (front, back).
WRITTEN = tuple((front, back) for front in ("text", "soft", "link", "good", "warn", "bad")
                for back in ("back", "card")) + (
    ("front", "good_back"), ("front", "warn_back"), ("front", "bad_back"))
DRAWN = tuple((front, "card") for front in ("good", "warn", "bad", "plot")) + (
    ("focus", "back"), ("focus", "card"), ("text", "out"))

_SHAPE = """
*{box-sizing:border-box}
body{margin:0;font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",Arial,sans-serif}
main,header,footer,#alarm.on{max-width:1240px;margin:0 auto;padding:0 16px}
h1{font-size:26px;line-height:1.2;margin:0}
h2{font-size:18px;margin:24px 0 8px}h2 .soft{font-weight:400}
h3{font-size:17px;margin:0}
p{margin:4px 0}code{font:13px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;overflow-wrap:anywhere}
a,summary{cursor:pointer}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip:rect(0 0 0 0)}
.icon{width:1em;height:1em;margin-right:.4em;vertical-align:-.12em;fill:none;stroke-width:1.8;flex:none}
.banner{padding:14px 16px;border-radius:8px;margin:14px 0 8px;overflow-wrap:anywhere}
.banner p{font-size:16px}
.process{margin:0 0 4px;overflow-wrap:anywhere}
.todo{margin:8px 0;padding:0;list-style:none}
.todo li{padding:8px 12px;margin:6px 0;border-left:5px solid;border-radius:4px;overflow-wrap:anywhere}
.todo .step{font-weight:600}
.index{display:flex;flex-wrap:wrap;margin:0;padding:0;list-style:none}
.index li{margin:0 14px 4px 0;overflow-wrap:anywhere}
.tunnel{padding:10px 14px 6px;margin:10px 0;border:1px solid;border-left-width:6px;border-radius:6px}
.tunnel h3{overflow-wrap:anywhere}
.state{font-weight:700;margin-left:.3em}
.at{font-size:13px;overflow-wrap:anywhere}.why{font-weight:600;overflow-wrap:anywhere}
.row,.top{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:flex-start}.top{align-items:baseline}
.facts{display:flex;flex-wrap:wrap;margin:4px 0}
.facts div{margin:2px 22px 4px 0;min-width:66px}
.row .facts{flex:1 1 440px}.row .facts div{flex:0 0 42%;margin:2px 0 4px;padding-right:10px}
.row .facts div:nth-child(3n+2){flex-basis:35%}.row .facts div:nth-child(3n){flex-basis:23%;padding:0}
.row .soft{display:inline-block}
dt{font-size:12px}dd{margin:0;overflow-wrap:anywhere}
.plots{display:flex;flex-wrap:wrap;align-items:flex-end;flex:1 1 480px;max-width:640px;margin:4px -6px 0}
figure{flex:1 1 140px;margin:2px 6px 6px;min-width:0}
figcaption{font-size:12px;display:flex;flex-wrap:wrap}figcaption b{margin:0 .4em}.lost{font-size:13px}
.plot{display:block;width:100%;height:40px;border-bottom:1px solid}
.line{stroke-width:1.5;vector-effect:non-scaling-stroke}
details{margin:2px 0 4px}summary{font-size:13px;padding:3px 0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid;vertical-align:top}
td:first-child,td:nth-child(2){overflow-wrap:anywhere}td:first-child{min-width:9.5em}
th{font-size:12px;font-weight:400}
.panel{padding:10px 14px;border:1px solid;border-radius:6px}
.lane{display:flex;align-items:center;margin:3px 0}
.lane .name{flex:0 0 130px;padding-right:8px;overflow-wrap:anywhere;font-size:13px}
.days{flex:1 1 auto;height:28px;min-width:0;display:flex;width:100%}
.axis .days{height:auto;font-size:12px}.axis .days span{flex:1 1 0;min-width:0;padding-right:4px}
.day,.now{fill:none;stroke-width:1;vector-effect:non-scaling-stroke}.now{stroke-width:2}
.switches{margin:10px 0 0;padding:0;list-style:none}
.switches li{padding:5px 0;border-top:1px solid;overflow-wrap:anywhere}
.switches span,.switches b{margin-right:10px}.gap{font-weight:600;white-space:nowrap}.when{white-space:nowrap}
.soft{font-size:13px}
footer{padding-top:10px;padding-bottom:24px;font-size:13px}footer a{margin-right:12px}
button{font:inherit;padding:5px 12px;border:1px solid;border-radius:5px;cursor:pointer;margin-right:10px}
#alarm.on{padding-top:10px;padding-bottom:10px;font-weight:600;position:sticky;top:0}
#page.old{filter:grayscale(1)}.old h1:before{content:"Was: "}
a:focus,summary:focus,button:focus{outline:3px solid;outline-offset:2px}
@media (max-width:600px){body{font-size:14px}main,header,footer{padding-left:10px;padding-right:10px}
h1{font-size:22px}.lane{display:block}.tunnel{padding-left:10px;padding-right:10px}.facts div{margin-right:16px}
.axis .days{font-size:11px}.axis .days span{word-spacing:100vw}th:nth-child(4),td:nth-child(4){display:none}
figure{flex-basis:90px}figcaption b{margin-right:0}figcaption span{flex-basis:100%}}
"""

_COLOURS = """
body{background:%(back)s;color:%(text)s}a{color:%(link)s}
.soft,.at,dt,th,figcaption,.axis,footer,.process{color:%(soft)s}
figcaption b,.process b{color:%(text)s}
.icon.good{stroke:%(good)s}.icon.warn{stroke:%(warn)s}.icon.bad{stroke:%(bad)s}
.banner{color:%(front)s}.banner .icon{stroke:%(front)s}
.banner.good{background:%(good_back)s}.banner.warn{background:%(warn_back)s}.banner.bad,#alarm.on{background:%(bad_back)s}
#alarm.on{color:%(front)s}
.todo li,.tunnel,.panel,button{background:%(card)s;color:%(text)s}
.tunnel,.panel,.plot,button,th,td,.switches li{border-color:%(line)s}
.todo li{border-color:%(warn)s}.todo .bad{border-color:%(bad)s}
.tunnel.good{border-left-color:%(good)s}.tunnel.warn{border-left-color:%(warn)s}.tunnel.bad{border-left-color:%(bad)s}
.good .state,td.good{color:%(good)s}
.warn .state,.warn .why,.unusual{color:%(warn)s}.bad .state,.bad .why,.lost,td.bad{color:%(bad)s}
.line{stroke:%(plot)s;fill:%(area)s;fill-opacity:.6}.out{fill:%(out)s}.mark{fill:%(bad)s}
.day{stroke:%(line)s}.now{stroke:%(plot)s}
a:focus,summary:focus,button:focus{outline-color:%(focus)s}
"""

# On paper backgrounds are left out, as a rule, and nothing can be clicked.
_PAPER = """
body,#alarm.on,.banner.good,.banner.warn,.banner.bad{background:none;color:%(text)s}.banner{border:2px solid}
.banner .icon{stroke:%(text)s}button,#how{display:none}.tunnel,.panel,.todo li{break-inside:avoid}
""" % LIGHT

STYLE = (_SHAPE + _COLOURS % LIGHT + "@media screen and (prefers-color-scheme:dark){" + _COLOURS % DARK + "}\n"
         "@media print{" + _PAPER + "}\n")
