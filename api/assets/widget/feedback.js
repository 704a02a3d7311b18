// Thumbs under an answer; a thumb down opens a line for the reason.
const feedback = (id) => {
  const rate = (rating, reason) =>
    authorised(`/api/messages/${encodeURIComponent(id)}/feedback`, () => (reason ? { rating, reason } : { rating }))
      .then(async () => {
        announce(t.thanks);
        if (rating === 'down' && (await standing()).offer_human) offer();
      })
      .catch((problem) => announce(explain(problem)));
  const reason = el('input', { 'aria-label': t.why, placeholder: t.why, maxLength: 1000 });
  const sendReason = el('button', { type: 'button', className: 'send', 'aria-label': t.send }, icon(SEND));
  const why = el('div', { className: 'why', hidden: true }, reason, sendReason);
  const thanks = el('span', { className: 'sub', hidden: true }, t.thanks);
  const thumb = (rating, name) => {
    const button = el('button', { type: 'button', className: 'thumb ' + rating, 'aria-pressed': 'false', 'aria-label': name, title: name }, icon(THUMB));
    button.onclick = () => {
      // Pressed again, a thumb is taken back.
      const taken = button.getAttribute('aria-pressed') === 'true';
      for (const other of [up, down]) other.setAttribute('aria-pressed', String(!taken && other === button));
      follow(() => {
        why.hidden = taken || rating === 'up';
        thanks.hidden = taken || rating !== 'up';
      });
      if (rating === 'down' && !taken) reason.focus();
      rate(taken ? 'none' : rating);
    };
    return button;
  };
  const up = thumb('up', t.up);
  const down = thumb('down', t.down);
  const finish = () => {
    if (!reason.value.trim()) return;
    rate('down', reason.value.trim());
    why.hidden = true;
    thanks.hidden = false;
    field.focus();
  };
  sendReason.onclick = finish;
  reason.onkeydown = (event) => {
    if (event.key === 'Enter' && !event.isComposing) finish();
  };
  return el('div', { className: 'thumbs' }, up, down, thanks, why);
};
