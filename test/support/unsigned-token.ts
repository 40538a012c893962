/** A token in an agent's shape that no edge would take: for what happens before one is asked. */
export function unsignedToken(
  site: string,
  iss = "https://edge.example.com",
  targets: readonly string[] = ["0.0.0.0/0"],
): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const life = { iat: now, exp: now + 3600, jti: "unsigned-1" };
  const claims = { iss, aud: "sallyport:agent", sub: `agent:${site}:1`, site, targets, ...life };
  return `${part({ alg: "EdDSA", typ: "sallyport-agent+jwt" })}.${part(claims)}.c2ln`;
}
