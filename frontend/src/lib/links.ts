/** What a person pasted, as links: prose, blanks, commas and missing schemes are understood, the rest has its reason. */

export interface Rejected {
  line: string;
  reason: string;
}

export interface ParsedLinks {
  /** In the order they were pasted, duplicates included. */
  links: string[];
  /** How many of `links` had been named before, in the text or among the known. */
  duplicates: number;
  rejected: Rejected[];
}

const MAX_LENGTH = 4096; // as the API has it
const WITH_SCHEME = /\b[a-z][a-z0-9+.-]*:\/\/[^\s<>"']+/gi;
const WITHOUT_SCHEME = /(?<![\w@.:/-])(?:[a-z0-9-]+\.)+[a-z]{2,24}(?::\d+)?(?:[/?#][^\s<>"']*)?(?![\w@])/gi;
const CLOSING: Record<string, string> = { ")": "(", "]": "[", "}": "{" };

/** Without the punctuation of the sentence around it; a bracket stays where the link itself opened it. */
function trimmed(found: string): string {
  let link = found;
  for (;;) {
    const last = link.at(-1) ?? "";
    const opening = CLOSING[last];
    const isPunctuation = /[.,;:!?*_`|]/.test(last);
    const isForeignBracket = opening !== undefined && count(link, last) > count(link, opening);
    if (!isPunctuation && !isForeignBracket) return link;
    link = link.slice(0, -1);
  }
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

/** Two links that are separated by nothing but a comma or a semicolon. */
function apart(found: string): string[] {
  return found.split(/[,;](?=https?:\/\/)/i);
}

/** Why the API would refuse this link, or null. */
function refusal(link: string): string | null {
  if (!/^https?:\/\//i.test(link)) return "Only http and https links can be fetched";
  if (link.length > MAX_LENGTH) return `The link is longer than ${MAX_LENGTH} characters`;
  if (link.includes("\\")) return "The link holds a backslash";
  let parts: URL;
  try {
    parts = new URL(link);
  } catch {
    return "This is not a complete address";
  }
  if (/^https?:\/\/[^/?#]*@/i.test(link)) return "The link holds a user name or a password";
  return parts.port === "0" ? "There is no port 0" : null;
}

function candidates(line: string): string[] {
  const full = (line.match(WITH_SCHEME) ?? []).flatMap(apart).map(trimmed);
  if (full.length > 0) return full;
  const bare = (line.match(WITHOUT_SCHEME) ?? []).map(trimmed);
  // In prose, "etc.and" is a forgotten space: there a host alone does not make a link.
  const isAlone = bare.length === 1 && trimmed(line.trim()) === bare[0];
  return bare.filter((link) => isAlone || /^www\./i.test(link) || link.includes("/")).map((link) => `https://${link}`);
}

export function parseLinks(text: string, known: Iterable<string> = []): ParsedLinks {
  const seen = new Set(known);
  const result: ParsedLinks = { links: [], duplicates: 0, rejected: [] };
  for (const raw of text.split(/\r\n|[\n\r\u2028\u2029]/)) {
    const line = raw.trim();
    if (!/[\p{L}\p{N}]/u.test(line)) continue;
    const found = candidates(line);
    if (found.length === 0) result.rejected.push({ line, reason: "There is no link in this line" });
    for (const link of found) {
      const reason = refusal(link);
      if (reason !== null) {
        result.rejected.push({ line: found.length === 1 ? line : link, reason });
        continue;
      }
      if (seen.has(link)) result.duplicates += 1;
      seen.add(link);
      result.links.push(link);
    }
  }
  return result;
}

export function hostOf(link: string): string {
  try {
    return new URL(link).host.replace(/^www\./, "");
  } catch {
    return link;
  }
}

/** The last piece of the path, readable; the host where there is none. */
export function nameOf(link: string): string {
  try {
    const last = new URL(link).pathname.split("/").filter(Boolean).at(-1);
    return last ? decodeURIComponent(last) : hostOf(link);
  } catch {
    return link;
  }
}
