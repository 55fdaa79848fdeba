/** Texts by their prefixes: the longest one that a text begins with, at a cost that does not grow with their number. */

interface Node<Value> {
  /** What stands between the node above and this one. */
  label: string;
  value: Value | undefined;
  /** By the first character of their labels. */
  readonly children: Map<number, Node<Value>>;
}

/** A radix tree. */
export class PrefixTree<Value extends object> {
  readonly #root: Node<Value> = { label: '', value: undefined, children: new Map() };

  constructor(entries: Iterable<readonly [string, Value]>) {
    for (const [prefix, value] of entries) this.#insert(prefix, value);
  }

  /** What stands under the longest prefix of a text. */
  longest(text: string): Value | undefined {
    let found = this.#root.value;
    let at = 0;
    for (let node = this.#below(this.#root, text, 0); node; node = this.#below(node, text, at)) {
      at += node.label.length;
      found = node.value ?? found;
    }
    return found;
  }

  #below(node: Node<Value>, text: string, at: number): Node<Value> | undefined {
    const child = node.children.get(text.charCodeAt(at));
    return child && text.startsWith(child.label, at) ? child : undefined;
  }

  #insert(prefix: string, value: Value): void {
    let node = this.#root;
    let rest = prefix;
    while (rest !== '') {
      const first = rest.charCodeAt(0);
      const child = node.children.get(first);
      if (!child) {
        node.children.set(first, { label: rest, value, children: new Map() });
        return;
      }
      const shared = sharedLength(child.label, rest);
      node = shared === child.label.length ? child : split(node, child, shared);
      rest = rest.slice(shared);
    }
    node.value = value;
  }
}

/** Puts a node between two, where their paths part. */
function split<Value>(above: Node<Value>, child: Node<Value>, at: number): Node<Value> {
  const between: Node<Value> = { label: child.label.slice(0, at), value: undefined, children: new Map() };
  child.label = child.label.slice(at);
  between.children.set(child.label.charCodeAt(0), child);
  above.children.set(between.label.charCodeAt(0), between);
  return between;
}

function sharedLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length += 1;
  return length;
}
