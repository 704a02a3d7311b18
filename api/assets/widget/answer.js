// Asking: a question, its answer as it comes, and what can go wrong.

let running;
const setRunning = (controller) => {
  running = controller;
  sender.hidden = !!controller;
  stopper.hidden = !controller;
};

// Asks and streams the answer into a new message. `repeat` leaves out the visitor's own bubble.
const answer = async (question, repeat) => {
  const controller = new AbortController();
  setRunning(controller);
  chips?.remove();
  if (!repeat) say(mine(question));
  log.scrollTop = log.scrollHeight;
  const body = el('div', { className: 'text' }, dots());
  const box = say(bubble('bot', t.bot, body));
  announce(t.wait);
  emit('message', { text: question });

  let text = '';
  let sources = [];
  let products = [];
  let result;
  let frame;
  let timer;
  const draw = () => {
    frame = 0;
    follow(() => body.replaceChildren(...format(text, sources)));
  };
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort('silence'), SILENCE_MS);
  };
  try {
    alive();
    const request = () => ({ message: question, domain, session_id: session.session_id });
    const response = await authorised('/api/chat', request, { accept: 'text/event-stream' }, controller.signal);
    store({ session, conversation });
    if (/json/.test(response.headers.get('content-type'))) {
      result = await response.json();
      text = result.answer;
    } else {
      for await (const [event, data] of events(response, alive)) {
        if (event === 'token') {
          text += data.text;
          frame ||= requestAnimationFrame(draw);
        } else if (event === 'sources') sources = data.sources || [];
        else if (event === 'products') products = data.products || [];
        else if (event === 'done') result = data;
        else if (event === 'error') throw data;
      }
    }
    if (!result) throw { code: 'interrupted' };
    sources = result.sources || sources;
    products = result.products || products;
    conversation = result.conversation_id;
    heed();
    store({ session, conversation });
    finish();
  } catch (problem) {
    const stopped = controller.signal.reason === 'visitor';
    controller.abort();
    cancelAnimationFrame(frame);
    draw();
    if (stopped) {
      follow(() => box.append(el('p', { className: 'sub' }, t.cut)));
      announce(t.cut);
    } else {
      apologise(problem, box, () => box.remove() || answer(question, true));
      if (problem.offer_human) offer();
    }
  } finally {
    clearTimeout(timer);
    setRunning(null);
  }

  function finish() {
    cancelAnimationFrame(frame);
    // People have the word: what they say comes by itself.
    if (!text && /waiting|human/.test(result.state)) {
      box.remove();
      announce('');
      become({ state: result.state });
      return;
    }
    draw();
    if (result.state) become({ state: result.state, overdue: result.state === 'waiting' });
    follow(() => {
      dress(box, body, result.refused, sources, products, result.notes);
      if (result.message_id) box.append(feedback(result.message_id));
    });
    // A long answer is read from its question on.
    if (box.offsetHeight > log.clientHeight) log.scrollTop = box.previousElementSibling.offsetTop - 12;
    const heard = [`${t.bot}:`, text.replace(/\s*\[[\d, ]+\]|[*`#]/g, ''), ...noted(result.notes)];
    if (sources.length) heard.push(`${t.sources}: ${sources.length}`);
    announce(heard.join(' '));
    if (result.offer_human) offer();
    emit('answer', { text, sources, products, refused: !!result.refused, notes: result.notes || [], message_id: result.message_id });
  }
};

const measure = () => {
  const length = [...field.value].length;
  const over = length > MAX_CHARS;
  count.textContent = length > COUNT_FROM ? `${length} / ${MAX_CHARS}` : '';
  count.classList.toggle('over', over);
  field.setAttribute('aria-invalid', String(over));
  sender.disabled = over || !field.value.trim();
  field.style.height = 'auto';
  field.style.height = field.scrollHeight + 'px';
};
const submit = () => {
  if (sender.disabled || running) return;
  const question = field.value.trim();
  field.value = '';
  measure();
  answer(question);
};
