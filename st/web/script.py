"""What refreshes the page where scripts run: the page again, its middle exchanged. In words that old browsers know.

Scroll position, focus and what was opened stay; nothing is exchanged while text is selected, since somebody is about
to copy it. Without an answer the page says how old it is: numbers that stand still must not look healthy.
"""

SCRIPT = """
(function () {
  "use strict";
  var PERIOD = 5000, PATIENCE = 10000, RUNNING = "Refreshes itself every 5 s.";
  var paused = false, failed = false, asking = false, last = new Date(), timer;
  var get = function (id) { return document.getElementById(id); };
  var button = get("pause"), alarm = get("alarm"), said = get("said"), how = get("how");

  function say(where, text) { if (where.textContent !== text) { where.textContent = text; } }

  function clock(date) { return date.toTimeString().slice(0, 8); }

  function tellAge() {
    var age = Math.round((new Date() - last) / 1000), text = "";
    if (failed) {
      text = "No good answer since " + clock(last) + ", " + age + " s: what is shown here is old. " +
        "Does the process still run? See: sentinel-tunnel status";
    }
    say(alarm, text);
    alarm.className = text ? "on" : "";
  }

  function open() {
    var all = document.getElementsByTagName("details"), ids = [], i;
    for (i = 0; i < all.length; i += 1) { if (all[i].open) { ids.push(all[i].id); } }
    return ids;
  }

  function exchange(fresh) {
    var old = get("page"), ids = open(), x = window.pageXOffset, y = window.pageYOffset, i, found;
    var focused = document.activeElement && document.activeElement.id;
    var added = document.importNode(fresh.getElementById("page"), true);
    old.parentNode.replaceChild(added, old);
    for (i = 0; i < ids.length; i += 1) {
      found = get(ids[i]);
      if (found) { found.open = true; }
    }
    found = focused && get(focused);
    if (found && found !== document.activeElement) { found.focus(); }
    window.scrollTo(x, y);
    if (document.title !== fresh.title) {
      document.title = fresh.title;
      say(said, fresh.title);
    }
  }

  function styleOf(page) { return page.getElementsByTagName("style")[0].textContent; }

  function take(fresh) {
    if (!fresh || !fresh.getElementById || !fresh.getElementById("page") || styleOf(fresh) !== styleOf(document)) {
      window.location.reload();  // an old browser, or another release: all of it anew
      return;
    }
    last = new Date();
    if (window.getSelection && window.getSelection().isCollapsed === false) {
      say(how, "Waits while text is selected.");
      return;
    }
    exchange(fresh);
    say(how, RUNNING);
  }

  function look() {
    if (asking) { return; }
    var ask = new XMLHttpRequest();
    asking = true;
    window.clearTimeout(timer);
    ask.open("GET", window.location.href.split("#")[0]);
    ask.responseType = "document";
    ask.timeout = PATIENCE;
    ask.onload = function () {
      failed = ask.status !== 200;
      if (!failed && !paused) { take(ask.response); }
    };
    ask.onerror = ask.ontimeout = function () { failed = true; };
    ask.onloadend = function () {
      asking = false;
      tellAge();
      timer = window.setTimeout(look, PERIOD);
    };
    ask.send();
  }

  button.onclick = function () {
    paused = !paused;
    say(button, paused ? "Go on refreshing" : "Pause refreshing");
    say(how, paused ? "Paused at " + clock(last) + "." : RUNNING);
  };
  say(how, RUNNING);
  button.hidden = false;
  window.setInterval(tellAge, 1000);
  document.addEventListener("visibilitychange", look);  // browsers let hidden pages wait: who comes back sees it anew
  timer = window.setTimeout(look, PERIOD);
}());
"""
