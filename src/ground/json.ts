/** How deep JSON text is nested, without parsing it: deep text is refused before it can make anybody work hard. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inText = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (inText) {
      if (character === 92 /* \ */) index += 1;
      else if (character === 34 /* " */) inText = false;
    } else if (character === 34) inText = true;
    else if (character === 123 /* { */ || character === 91 /* [ */) deepest = Math.max(deepest, ++depth);
    else if (character === 125 /* } */ || character === 93 /* ] */) depth -= 1;
  }
  return deepest;
}
