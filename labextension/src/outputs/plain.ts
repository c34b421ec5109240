// HTML that can do nothing: tables, text and drawings. It is shown in the page itself, built anew
// from these elements and attributes. One of any other kind sends the whole output to a frame.

const ELEMENTS = new Set(
  (
    'div span p br hr b strong i em u s code pre small sub sup h1 h2 h3 h4 h5 h6 ul ol li dl dt dd ' +
    'table thead tbody tfoot tr th td caption colgroup col blockquote a ' +
    'svg g line polyline polygon path rect circle ellipse text tspan'
  ).split(' ')
);

const ATTRIBUTES = new Set(
  (
    'border align valign colspan rowspan scope title start role aria-label ' +
    'viewBox width height x y x1 x2 y1 y2 cx cy r rx ry dx dy d points transform fill stroke ' +
    'stroke-width text-anchor'
  ).split(' ')
);

const STYLES =
  /^(color|background-color|fill|stroke|stroke-width|opacity|display|justify-content|align-items|gap|white-space|vertical-align|line-height|(max-|min-)?(width|height)|(font|text|padding|margin|border)(-[a-z-]+)?)$/;

/** The output as elements that may stand in the page; null where it needs a frame. */
export function readPlain(body: HTMLElement): DocumentFragment | null {
  const fragment = document.createDocumentFragment();
  return copyChildren(body, fragment) ? fragment : null;
}

function copyChildren(from: Element, to: Node): boolean {
  return [...from.childNodes].every(node => {
    if (node instanceof Text || node.nodeType === Node.TEXT_NODE) {
      to.appendChild(document.createTextNode(node.textContent ?? ''));
      return true;
    }
    if (node.nodeType === Node.COMMENT_NODE || isScopedStyle(node)) {
      return true;
    }
    return node.nodeType === Node.ELEMENT_NODE && copyElement(node as Element, to);
  });
}

/** pandas sends one with each table; browsers know it no more, and JupyterLab styles tables. */
function isScopedStyle(node: Node): boolean {
  return node.nodeName === 'STYLE' && (node as Element).hasAttribute('scoped');
}

function copyElement(element: Element, to: Node): boolean {
  const name = element.localName;
  if (!ELEMENTS.has(name)) {
    return false;
  }
  const copy = document.createElementNS(element.namespaceURI, name);
  for (const { name: attribute, value } of [...element.attributes]) {
    if (attribute === 'style') {
      if (!isPlainStyle(element, value)) {
        return false;
      }
      copy.setAttribute('style', value);
    } else if (attribute === 'class') {
      // A class of JupyterLab's would bring its style: over the whole page, say.
      if (value !== 'dataframe') {
        return false;
      }
      copy.setAttribute('class', value);
    } else if (ATTRIBUTES.has(attribute)) {
      copy.setAttribute(attribute, value);
    } else if (name !== 'a' || !copyLink(attribute, value, copy)) {
      return false;
    }
  }
  to.appendChild(copy);
  return copyChildren(element, copy);
}

function isPlainStyle(element: Element, text: string): boolean {
  const { style } = element as HTMLElement | SVGElement;
  const properties = Array.from(style, (_, i) => style.item(i));
  return !/[\\@]|url|image/i.test(text) && properties.every(property => STYLES.test(property));
}

/** A link to elsewhere opens in a window without a way back; a result's link names the result. */
function copyLink(attribute: string, value: string, copy: Element): boolean {
  if (attribute === 'data-backtest' && /^[\w-]+$/.test(value)) {
    copy.setAttribute(attribute, value);
    return true;
  }
  if (attribute === 'href' && (isElsewhere(value) || /^\?backtest=[\w-]+$/.test(value))) {
    copy.setAttribute('href', value);
    copy.setAttribute('target', '_blank');
    copy.setAttribute('rel', 'noopener noreferrer');
    return true;
  }
  return false;
}

/** Whether an address leads out of the lab: from an output, nothing in it may be called. */
export function isElsewhere(address: string): boolean {
  try {
    const { protocol, origin } = new URL(address, document.baseURI);
    return /^(https?|mailto):$/.test(protocol) && origin !== window.location.origin;
  } catch {
    return false;
  }
}
