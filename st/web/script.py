"""What refreshes the page where scripts run: the page again, its middle exchanged. In words that old browsers know.

Scroll position, focus and what was opened stay; nothing is exchanged while text is selected, since somebody is about
to copy it. Without an answer the page, its title and its icon say so: what stands still must not look healthy.
"""

SCRIPT = """
(function () {
  "use strict";
  var PERIOD = 5000, PATIENCE = 10000, RUNNING = "Refreshes itself every 5 s.", SILENT = "No answer";
  var paused = false, failed = "", ask = null, moved = new Date(), last = new Date(), timer;
  var get = function (id) { return document.getElementById(id); };
  var button = get("pause"), alarm = get("alarm"), said = get("said"), how = get("how");
  var answer = document.title, icon = get("icon").href;

  function again() { window.location.reload(); }

  function say(where, text) { if (where.textContent !== text) { where.textContent = text; } }

  function clock(date) {
    var today = date.toDateString() === new Date().toDateString();
    return (today ? "" : date.toDateString() + " ") + date.toTimeString().slice(0, 8);
  }

  function lasted(seconds) {  // no seconds: a reader's voice tells each change
    var minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
    if (hours) { return hours + " h " + minutes % 60 + " min"; }
    return minutes ? minutes + " min" : "less than a minute";
  }

  function name(title, address) {
    if (document.title !== title) { document.title = title; }
    if (get("icon").href !== address) { get("icon").href = address; }
  }

  function tellAge() {
    var since = clock(last);
    if (ask && new Date() - moved > PATIENCE) {
      ask.onload = ask.onerror = ask.onabort = null;
      ask.abort();
      done(SILENT);
      return;
    }
    say(alarm, failed ? failed + " since " + since + ", for " + lasted((new Date() - last) / 1000) +
      ": what is shown here is old. On that host: sentinel-tunnel status" : "");
    alarm.className = failed ? "on" : "";
    get("page").className = failed ? "old" : "";
    if (failed) {
      name("No answer since " + since + answer.slice(answer.indexOf(" - ")), get("icon").getAttribute("data-lost"));
    } else {
      name(answer, icon);
    }
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
  }

  function ours(page) {
    return page.getElementsByTagName("style")[0].textContent + page.getElementsByTagName("script")[0].textContent;
  }

  function take(fresh) {
    if (!fresh || !fresh.getElementById || !fresh.getElementById("page") || ours(fresh) !== ours(document)) {
      again();  // an old browser, or another release: all of it anew
      return;
    }
    if (answer !== fresh.title) { say(said, fresh.title); }
    answer = fresh.title;
    icon = fresh.getElementById("icon").href;
    last = new Date();
    if (paused) { return; }
    if (window.getSelection && window.getSelection().isCollapsed === false) {
      say(how, "Waits while text is selected.");
      return;
    }
    exchange(fresh);
    say(how, RUNNING);
  }

  function done(why) {
    failed = why;
    ask = null;
    tellAge();
    timer = window.setTimeout(look, PERIOD);
  }

  function look() {
    if (ask) { return; }
    window.clearTimeout(timer);
    ask = new XMLHttpRequest();
    moved = new Date();
    ask.open("GET", window.location.href.split("#")[0]);
    ask.responseType = "document";
    ask.onprogress = function () { moved = new Date(); };  // a slow line may take its time
    ask.onload = function () {
      var good = this.status === 200;
      if (good) { take(this.response); }
      done(good ? "" : "An error instead of an answer (HTTP " + this.status + ")");
    };
    ask.onerror = ask.onabort = function () { done(SILENT); };
    ask.send();
  }

  window.onerror = function () { window.setTimeout(again, 2 * PERIOD); };  // too old a browser for what follows
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
