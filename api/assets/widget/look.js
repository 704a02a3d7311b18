// Looks: the base sheet is style.css, as CSS.
const fullScreen = matchMedia('(max-width:480px),(max-height:420px)');
const themeSheet = new CSSStyleSheet();
const baseSheet = new CSSStyleSheet();
baseSheet.replaceSync(CSS);

// WCAG 2.2 relative luminance of `#rrggbb`, 0 to 1.
const luminance = (hex) =>
  [1, 3, 5]
    .map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

// Any accent stays readable: the text on it turns dark, and links fall back to the text colour, where it would not be.
// The script tag's own wishes win over the server's theme.
const setTheme = (theme) => {
  const { color, position, mode } = { ...theme, ...settings };
  if (/^#[0-9a-f]{6}$/i.test(color || '')) {
    const lum = luminance(color);
    const on = contrast(lum, 1) >= 4.5 ? '#fff' : '#000';
    const link = (ground) => (contrast(lum, luminance(ground)) >= 4.5 ? color : 'var(--fg)');
    themeSheet.replaceSync(
      `.root{--a:${color};--on:${on};--link-light:${link('#f2f5f8')};--link-dark:${link('#212833')}}`,
    );
  }
  for (const side of ['left', 'right']) if (position) root.classList.toggle(side, position.includes(side));
  for (const name of ['light', 'dark']) if (mode) root.classList.toggle(name, mode === name);
};
