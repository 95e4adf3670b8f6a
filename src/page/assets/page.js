// Keeps a page fresh: the daemon says that something has happened, and the page asks again for itself. Without this it is
// the same page, to be loaded again by hand.
'use strict';
(() => {
  const SOONEST = 1000, OFTEN = 30000;
  const main = () => document.getElementById('main');
  // What was written there would be lost, or what is shown has no address to ask for again.
  const still = 'still' in main().dataset;
  const status = document.getElementById('live');
  const skew = Date.parse(document.body.dataset.now) - Date.now();
  let stream = null, last = Date.now(), due = 0, asking = false, paused = false, poll = 0;

  if (location.search.includes('done=')) {
    const address = new URL(location.href);
    address.searchParams.delete('done');
    history.replaceState(null, '', address);
  }

  // Somebody writes, or has opened what would be closed again.
  const busy = () => {
    const at = document.activeElement;
    if (at && main().contains(at) && at.matches('input, select, textarea')) return true;
    const fields = main().querySelectorAll('form[method=post] :is(input:not([type=hidden]), textarea)');
    return [...fields].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);
  };

  const replace = (page) => {
    const fresh = page && page.getElementById('main');
    if (!fresh || !page.querySelector('.who')) return location.reload();
    const old = main(), at = document.activeElement;
    const mark = at && old.contains(at) ? (at.id || at.getAttribute('href')) : null;
    for (const open of old.querySelectorAll('details[id]')) {
      const same = fresh.querySelector('#' + CSS.escape(open.id));
      if (same) same.open = open.open;
    }
    const said = old.querySelector('[role=status]');
    if (said) fresh.prepend(document.adoptNode(said));
    old.replaceWith(document.adoptNode(fresh));
    if (mark) {
      const name = CSS.escape(mark);
      const again = main().querySelector(`#${name}, [href="${name}"]`);
      if (again) again.focus({ preventScroll: true });
    }
    const drawn = page.querySelector('footer p'), before = document.querySelector('footer p');
    if (drawn && before) before.replaceWith(document.adoptNode(drawn));
    count();
  };

  const ask = () => {
    due = 0;
    if (paused || document.hidden || busy()) { due = setTimeout(ask, SOONEST); return; }
    asking = true;
    const request = new XMLHttpRequest();
    request.responseType = 'document';
    request.open('GET', location.href);
    request.setRequestHeader('depositd-refresh', '1');
    request.onloadend = () => {
      asking = false;
      last = Date.now();
      if (request.status === 200) replace(request.response);
    };
    request.send();
  };

  const nudge = () => {
    if (due || asking) return;
    due = setTimeout(ask, Math.max(0, last + SOONEST - Date.now()));
  };

  const count = () => {
    for (const left of document.querySelectorAll('[data-until]')) {
      const seconds = Math.floor((Date.parse(left.dataset.until) - Date.now() - skew) / 1000);
      const two = (part) => String(part).padStart(2, '0');
      left.textContent = seconds <= 0 ? 'its time is over'
        : `${Math.floor(seconds / 3600) ? Math.floor(seconds / 3600) + ':' : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)} left`;
    }
  };

  const follow = () => {
    if (stream || paused || still) return;
    stream = new EventSource('/live');
    stream.onmessage = nudge;
    stream.onerror = () => {
      // Refused for good: there are too many, or the session is over. Then it is asked now and again.
      if (stream && stream.readyState === EventSource.CLOSED && !poll) poll = setInterval(nudge, OFTEN);
    };
  };
  const leave = () => { if (stream) stream.close(); stream = null; clearInterval(poll); poll = 0; };

  const button = document.createElement('button');
  button.className = 'plain';
  const label = () => { button.textContent = paused ? 'Go on refreshing' : 'Pause refreshing'; };
  button.onclick = () => { paused = !paused; if (paused) leave(); else { follow(); nudge(); } label(); };
  label();
  if (!still) status.append(button);
  addEventListener('pagehide', leave);
  addEventListener('pageshow', follow);
  addEventListener('visibilitychange', () => { if (!still && !document.hidden && Date.now() - last > OFTEN) nudge(); });
  setInterval(count, 1000);
  count();
  follow();
})();
