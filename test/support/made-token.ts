/** A text in the one form of a token of this kind, signed by nobody: for ends that follow a token and can't verify it. */
export function madeToken(kind: string, claims: object, signature = Buffer.alloc(64, 7)): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = part({ alg: "EdDSA", typ: `sallyport-${kind}+jwt`, kid: "0123456789abcdef" });
  return `${head}.${part(claims)}.${signature.toString("base64url")}`;
}
