import { Problem } from "../link/problem.ts";
import type { IssuedView } from "../shared/rule/api.ts";
import type { TokenKind } from "../shared/rule/claims.ts";
import type { Edge } from "./edge.ts";
import type { SecretFile } from "./secret-file.ts";

/** The body of a request for a token; JSON leaves out `undefined` fields. */
export type IssueRequest = { kind: TokenKind; [field: string]: unknown };

/** Has the edge issue a token and writes it to a file. Revokes the token again when it can't be written. Throws Problem. */
export async function issueInto(file: SecretFile, edge: Edge, request: IssueRequest): Promise<IssuedView> {
  const issued = await edge.call<IssuedView>("POST", "/tokens", request);
  try {
    file.write(issued.token);
  } catch (error) {
    await edge.call("DELETE", `/tokens/${encodeURIComponent(issued.jti)}`).catch(() => {
      const cause = error instanceof Error ? error.message : String(error);
      throw Problem.configuration(
        "token-lost",
        `${cause}; the token was issued and could not be revoked`,
        `sallyport token revoke ${issued.jti}`,
      );
    });
    throw error;
  }
  return issued;
}
