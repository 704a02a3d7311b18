// Questions to start with: buttons after the greeting, until the visitor asks something.

let chips;
const suggest = (questions, box) => {
  if (!questions?.length || running || log.querySelector('.user')) return;
  const chip = (question) => {
    const button = el('button', { type: 'button', dir: 'auto' }, question);
    button.onclick = () => ask(question);
    return button;
  };
  chips = el('div', { className: 'chips', role: 'group', 'aria-label': t.tips }, ...questions.slice(0, 6).map(chip));
  box.after(chips);
};
