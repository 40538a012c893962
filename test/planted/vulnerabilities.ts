/** In this file, this text, which is there once, becomes that one. */
export type Edit = { file: string; find: string; put: string };

/** Security faults that somebody could make, each with the test that must notice it. `npm run planted` makes them, one by one. */
export type Vulnerability = Edit & {
  name: string;
  /** What else has to be wrong for it to do harm: where two checks hold, both are broken. */
  also?: readonly Edit[];
  /** The test that must fail then: its file, and (a part of) its name. */
  test: readonly [file: string, name: string];
};

const LANES = "test/system/hostile-lanes.test.ts";
const TOKENS = "test/unit/tokens.test.ts";
const SCOPE = "test/system/scope.test.ts";
const HTTP = "test/system/http-hostile.test.ts";
const RELAY = "test/system/hostile-relay.test.ts";
const RELAY_ORDER = "test/system/hostile-edge.test.ts";
const POLICY = "test/unit/policy.test.ts";
const RENEWAL = "test/unit/token-renewal.test.ts";
const SUCCESSOR = "test/unit/successor.test.ts";

const DOORS = "test/unit/doors.test.ts";

export const VULNERABILITIES: readonly Vulnerability[] = [
  {
    name: "a token's signature is not verified",
    file: "edge/tokens.ts",
    find: "const verified = await jwtVerify(token, ({ kid }) => keyOf(trust, kid), {",
    put: 'const verified = await ((..._: unknown[]) => Promise.resolve({ payload: JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) }))(token, ({ kid }: { kid: string }) => keyOf(trust, kid), {',
    test: [TOKENS, "headers that lead to another algorithm or key are refused"],
  },
  {
    name: "a token's issuer is not checked",
    file: "edge/tokens.ts",
    find: "issuer: trust.issuers,",
    put: "",
    test: [TOKENS, "a token of a former URL and of a former key is good, of any other not"],
  },
  {
    name: "a key that has been withdrawn is still trusted",
    file: "edge/tokens.ts",
    find: "trust.keys.find((each) => each.kid === kid)",
    put: "(trust.keys.find((each) => each.kid === kid) ?? trust.keys[0])",
    test: [TOKENS, "headers that lead to another algorithm or key are refused"],
  },
  {
    name: "a revoked agent's token opens a lane",
    file: "edge/ingress/lane.ts",
    find: '(await registry.tokenState(verified.claims.jti)) !== "live"',
    put: "registry === null",
    test: ["test/e2e/bad-tokens.test.ts", "bad tokens are refused alike, before a relay wakes"],
  },
  {
    name: "a lane's kind is what it says, not what its token says",
    file: "edge/relay/hello-policy.ts",
    find: "if (hello.kind !== pass.kind)",
    put: "if (hello.kind === undefined)",
    test: [SCOPE, "a caller that speaks as an agent or a relay is cut off"],
  },
  {
    name: "an agent is chosen by what it says of itself alone",
    file: "shared/rule/target-policy.ts",
    find: 'if (!mayReach(claims, address, port)) return { is: "no", why: NOT_IN_TOKEN };',
    put: "",
    test: [DOORS, ""],
    also: [
      {
        file: "shared/rule/target-policy.ts",
        find: "if (!mayReach(claims, address, port) || forbids(",
        put: "if (forbids(",
      },
    ],
  },
  {
    name: "what is open outlives the rules that allowed it",
    file: "edge/relay/relay.ts",
    find: "this.#site.visits.recheck(Date.now());",
    put: "",
    test: ["test/system/narrowing.test.ts", "what a narrower rule lets in no more ends at every door"],
  },
  {
    name: "agents hear nothing of a narrower rule",
    file: "edge/relay/relay.ts",
    find: "for (const mapping of changes.narrowed) this.#cutNarrowed(mapping);",
    put: "",
    test: ["test/system/narrowing.test.ts", "what a narrower rule lets in no more ends at every door"],
  },
  {
    name: "a stream is resumed, whatever the rules say of its client today",
    file: "edge/relay/site/admission.ts",
    find: "return address.ok && judge(",
    put: "return address.ok || judge(",
    test: [DOORS, ""],
  },
  {
    name: "callers are let in without the rules being asked",
    file: "shared/rule/policy.ts",
    find: 'return reason === null ? { ok: true, grant } : refuse("denied", reason);',
    put: "return { ok: true, grant };",
    test: [DOORS, ""],
  },
  {
    name: "a client opens what its token does not name",
    file: "edge/relay/site/admission.ts",
    find: "if (endpoint.ok && isWithin(endpoint.value, counting)) return null;",
    put: "if (endpoint.ok) return null;",
    test: [SCOPE, "a visitor's token opens its endpoints, and nothing else by any spelling"],
  },
  {
    name: "a token opens what is mapped later at the endpoint that it names",
    file: "shared/rule/reach.ts",
    find: "return scopes.filter((scope) => isWide(scope, endpoint));",
    put: "return scopes;",
    test: ["test/e2e/reassigned.test.ts", "a visitor's token opens what was mapped when it was issued"],
  },
  {
    name: "a mapping that leads to another site keeps its tokens",
    file: "edge/registry/reassignments.ts",
    find: "if (before.site !== after.site) this.#raise(after.id, now + 1);",
    put: "",
    test: ["test/unit/reassignments.test.ts", "a mapping that is edited is the same one"],
  },
  {
    name: "a relay takes a token that was judged for another mapping",
    file: "edge/relay/site/admission.ts",
    find: "by.mapping !== 0 && by.mapping !== rule.mapping.id",
    put: "by.mapping < 0",
    test: [DOORS, ""],
  },
  {
    name: "a restored backup takes for good what was revoked since",
    file: "cli/revoked-since.ts",
    find: "?? null) === null ? [] : [jti]",
    put: "?? null) === null || jti !== null ? [] : [jti]",
    test: ["test/unit/revoked-since.test.ts", "what a later state has revoked"],
  },
  {
    name: "a restored edge keeps its keys when every token is to end",
    file: "cli/carry-over.ts",
    find: "const keys = revokeAll ? then.tables.keys.map(({ kid }) => kid) : some;",
    put: "const keys = some;",
    test: ["test/system/restore.test.ts", "ends every token, and says what to do next"],
  },
  {
    name: "a client states the visitor's address",
    file: "edge/relay/doors/caller-door.ts",
    find: 'if (kind === "gateway") {',
    put: 'if (kind === "gateway" || open.visitor !== "") {',
    test: [SCOPE, "only a gateway may state a visitor's address; for a client the relay writes the lane's own"],
  },
  {
    name: "a caller sends what only an agent may",
    file: "edge/relay/doors/forward.ts",
    find: "if (!allowed.has(frame.type) && !isReserved(frame.type))",
    put: "if (allowed.size === 0)",
    test: [SCOPE, "a caller that speaks as an agent or a relay is cut off"],
  },
  {
    name: "an agent reports on mappings of other sites",
    file: "edge/relay/doors/caller-door.ts",
    find: "if (rules.byId(record.mapping) === undefined && !cuts.has(record.mapping, now)) return;",
    put: "",
    test: [LANES, "whatever an agent says costs its own lane at most"],
  },
  {
    name: "a caller's malformed SESSION ends the agent's lane",
    file: "shared/session/agent-sessions.ts",
    find: "this.#guarded(frame, () => this.#begin(frame));",
    put: "this.#begin(frame);",
    test: [LANES, "whatever a client says costs its own lane at most"],
  },
  {
    name: "a rule removed while the agent is away is not cut",
    file: "edge/relay/presence.ts",
    find: 'if (existing === undefined && end.kind === "agent") this.#catchUp(lane, end);',
    put: "",
    test: ["test/system/cut-while-away.test.ts", "a rule removed while its agent is away"],
  },
  {
    name: "an agent does not judge what a name resolved to",
    file: "agent/policy.ts",
    find: "resolved.addresses.filter((address) => mayDial(policy, { host, address, port }, meanings))",
    put: "resolved.addresses.filter((address) => mayDial(policy, { host, address, port }, meanings) || address.text !== host)",
    test: [RELAY, "an agent dials nothing but what its token and its own rules allow"],
  },
  {
    name: "an agent forgets its token's targets",
    file: "shared/rule/target-policy.ts",
    find: "if (!mayReach(claims, address, port) || forbids(",
    put: "if (forbids(",
    test: [RELAY, "an agent dials nothing but what its token and its own rules allow"],
  },
  {
    name: "--deny localhost leaves 127.0.0.1 open",
    file: "shared/address/target-rule.ts",
    find: "if (isLoopbackName(rule.host)) return isLoopback(address);",
    put: "if (isLoopbackName(rule.host)) return false;",
    test: [POLICY, "is judged by what the name leads to"],
  },
  {
    name: "a name in --deny forbids its own spelling only",
    file: "shared/address/target-rule.ts",
    find: "return meant === undefined || meant.some(",
    put: "return rule.host === host && (meant ?? []).some(",
    test: [POLICY, "is judged by what the name leads to"],
  },
  {
    name: "a wide network in --allow opens an agent's own loopback",
    file: "shared/address/target-rule.ts",
    find: "return rule.cidr.bits >= 8 && isLoopback(rule.cidr.network);",
    put: "return rule.cidr.bits >= 0;",
    test: [POLICY, "the agent's own 127.0.0.1:80"],
  },
  {
    name: "a token without targets opens its agent's own loopback",
    file: "edge/registry/token-changes.ts",
    find: "request.targets?.flatMap(networksAsked) ?? OTHER_MACHINES",
    put: 'request.targets?.flatMap(networksAsked) ?? (OTHER_MACHINES.length > 0 ? ["0.0.0.0/0", "[::/0]"] : [])',
    test: ["test/e2e/loopback.test.ts", "an agent's own loopback is dialled only"],
  },
  {
    name: "the file of a token is everybody's to read",
    file: "cli/secret-file.ts",
    find: 'openSync(draft, "wx", 0o600)',
    put: 'openSync(draft, "wx", 0o644)',
    also: [{ file: "cli/secret-file.ts", find: "fchmodSync(handle, 0o600);", put: "fchmodSync(handle, 0o644);" }],
    test: ["test/e2e/token-file.test.ts", "makes a file that only its owner can read"],
  },
  {
    name: "a connection that was kept alive outlives the rules that allowed it",
    file: "agent/egress/http-pools.ts",
    find: "    this.#dropOutdated();",
    put: "",
    test: [RELAY, "rules that a reload narrows hold"],
  },
  {
    name: "an agent takes a token that it has not asked for",
    file: "link/token-renewal.ts",
    find: "if (!isAsked) return log(",
    put: "if (!isAsked && kind === undefined) return log(",
    test: [RENEWAL, "a token that was never asked for is not taken"],
  },
  {
    name: "an agent takes a token that grants more",
    file: "shared/successor.ts",
    find: "if (different.length > 0) {",
    put: "if (different.length > 9) {",
    test: [RELAY_ORDER, "an agent whose"],
  },
  {
    name: "an agent takes a token that lives longer",
    file: "shared/successor.ts",
    find: "if (life > longest)",
    put: "if (life > 2 * longest)",
    test: [SUCCESSOR, "a successor lives no longer"],
  },
  {
    name: "a renewed token sends an agent to a plain port of its own machine",
    file: "shared/successor.ts",
    find: "if (after.value.isLoopback) return before.value.isLoopback;",
    put: "if (after.value.isLoopback) return true;",
    test: [SUCCESSOR, "an end at"],
  },
  {
    name: "whatever was kept beside a token is used at the next start",
    file: "link/token-store.ts",
    find: "return next.ok && next.value.exp > given.value.exp ? kept : token;",
    put: "return next.ok || kept.length > 0 ? kept : token;",
    test: [RENEWAL, "a token that was kept aside"],
  },
  {
    name: "a grant's address is compared as text",
    file: "shared/rule/grant.ts",
    find: "grant.addresses.map(parseAddress).some((each) => each.ok && sourceOf(each.value) === source)",
    put: 'grant.addresses.some((each) => source !== "" && each === address.text)',
    test: ["test/unit/grant.test.ts", ""],
  },
  {
    name: "deny does not see through disguises",
    file: "shared/address/cidr.ts",
    find: "deny.some((cidr) => all.some((reading) => cidrContains(cidr, reading)))",
    put: "deny.some((cidr) => all.length > 0 && cidrContains(cidr, address))",
    test: ["test/unit/cidr.test.ts", "deny sees through"],
  },
  {
    name: "allow believes a disguise",
    file: "shared/address/cidr.ts",
    find: "allow.some((cidr) => cidrContains(cidr, address))",
    put: "allow.some((cidr) => all.some((reading) => cidrContains(cidr, reading)))",
    test: ["test/unit/cidr.test.ts", ""],
  },
  {
    name: "a visitor's X-Forwarded-For reaches the target",
    file: "shared/http/spoofable.ts",
    find: '"x-forwarded",',
    put: "",
    test: [HTTP, "what visitors claim about themselves is dropped and told anew"],
  },
  {
    name: "the edge's own cookie reaches the target",
    file: "shared/http/credentials.ts",
    find: 'if (name === "cookie") {',
    put: 'if (name === "x") {',
    test: ["test/e2e/http-access.test.ts", "a browser logs in with a token"],
  },
  {
    name: "a header's value may end its line",
    file: "shared/http/head.ts",
    find: "const VALUE = /^[\\t\\x20-\\x7e\\x80-\\xff]*$/;",
    put: "const VALUE = /^[^]*$/;",
    test: ["test/unit/http-head.test.ts", ""],
  },
  {
    name: "a prefix is a beginning of letters, not of a path",
    file: "shared/http/route.ts",
    find: 'path.startsWith(prefix) && (prefix === "" || path.length === prefix.length || path[prefix.length] === "/")',
    put: "path.startsWith(prefix)",
    test: ["test/unit/http-route.test.ts", ""],
  },
  {
    name: "HTTP CONNECT is taken for a visitor of a TCP port, from this machine",
    file: "edge/ingress/tcp.ts",
    find: "if (remoteAddress === undefined || localAddress === undefined) return void (await socket.close());",
    put: "if (localAddress === undefined) return void (await socket.close());",
    also: [
      {
        file: "edge/ingress/tcp.ts",
        find: "splitHostPort(remoteAddress)",
        put: 'splitHostPort(remoteAddress ?? "127.0.0.1:1")',
      },
    ],
    test: ["test/system/control-serve.test.ts", "HTTP CONNECT at the HTTP socket reaches nothing"],
  },
  {
    name: "a page of another host opens a byte stream",
    file: "edge/ingress/raw.ts",
    find: "if (origin !== null && !isOrigin(origin, authority))",
    put: 'if (origin === "never")',
    test: ["test/e2e/raw.test.ts", "pages of other hosts are refused"],
  },
  {
    name: "a read-only administrator changes things",
    file: "edge/api/guard.ts",
    find: '!["GET", "HEAD"].includes(c.req.method) && !mayChange(claims)',
    put: 'c.req.method === "TRACE"',
    test: ["test/e2e/control-access.test.ts", "a read-only admin token reads and changes nothing"],
  },
  {
    name: "guessing the admin secret costs nothing",
    file: "edge/registry/login-penalties.ts",
    find: "return Math.max(0, (this.#sources.get(source)?.until ?? 0) - now);",
    put: "return source === now.toString() ? 1 : 0;",
    test: ["test/unit/platform.test.ts", "failed logins wait ever longer"],
  },
  {
    name: "a short admin secret is compared at any rate",
    file: "edge/registry/login.ts",
    find: "if (wait > 0 && !isUnguessable(expected))",
    put: "if (wait > 0 && isUnguessable(expected) && secret === source)",
    test: ["test/unit/login.test.ts", "of many at once, one is compared"],
  },
  {
    name: "a link serves a second person, by the other IP version",
    file: "edge/registry/grant-changes.ts",
    find: "user.browser === browser &&",
    put: "",
    also: [
      {
        file: "edge/registry/grant-changes.ts",
        find: ".length > 0 || browser === undefined) return false;",
        put: ".length > 0) return browser === grant.id;",
      },
    ],
    test: ["test/unit/grant-use.test.ts", "a used link, and"],
  },
  {
    name: "a token is taken in many spellings",
    file: "shared/rule/token-text.ts",
    find: "[\\w-][AQgw]",
    put: "[\\w-]{2}",
    test: ["test/unit/token-text.test.ts", "of the 16 spellings of a signature"],
  },
  {
    name: "a body is held whole before its limit is looked at",
    file: "shared/whole-body.ts",
    find: 'if (length + value.byteLength > limit) return end(reader, "too-large");',
    put: "",
    also: [
      {
        file: "shared/whole-body.ts",
        find: "new Uint8Array(Math.min(limit, Math.max(",
        put: "new Uint8Array((Math.max(",
      },
    ],
    test: ["test/unit/bodies.test.ts", "what is over the limit is not read on"],
  },
  {
    name: "a read-only token pushes out what administrators did",
    file: "edge/api/context.ts",
    find: "return mayChange(admin) ? asker : { ...asker, payer: admin.sub };",
    put: "return asker.name === admin.jti ? { ...asker, payer: String(mayChange(admin)) } : asker;",
    also: [
      {
        file: "edge/registry/browser-session.ts",
        find: "...(mayChange(claims) ? {} : { payer: claims.sub })",
        put: 'payer: mayChange(claims) ? "" : ""',
      },
    ],
    test: ["test/system/neighbours.test.ts", "a read-only token and an agent's"],
  },
  {
    name: "half of an import is checked",
    file: "edge/registry/archive-rows.ts",
    find: "mappings: json((value) => conform(GrantMappings, value,",
    put: "mappings: json((value) => conform(GrantMappings.or(z.any()), value,",
    test: ["test/unit/archive.test.ts", "is refused by its path"],
  },
  {
    name: "whoever asks is answered over UDP, however much",
    file: "shared/session/flow.ts",
    find: "if (!this.#proved && this.#sentBytes + bytes > 3 * this.#receivedBytes) return false;",
    put: "",
    test: ["test/unit/flow.test.ts", ""],
  },
  {
    name: "a session is taken over without its secret",
    file: "shared/wire/resume.ts",
    find: "if (!equalBytes(proof, hmac(sha256, secret, concat([PROVE, this.id, u32(epoch)])))) return false;",
    put: "",
    test: ["test/spec/resume.test.ts", ""],
  },
  {
    name: "a proof that was good is good again",
    file: "shared/wire/resume.ts",
    find: "if (epoch <= this.epoch || epoch > this.epoch + MAX_MISSED) return false;",
    put: "if (usual.get(this) === proof.join()) return true;\n    if (epoch <= this.epoch || epoch > this.epoch + MAX_MISSED) return false;",
    also: [
      {
        file: "shared/wire/resume.ts",
        find: "this.#secret = rotated(secret, epoch);",
        put: "this.#secret = rotated(secret, epoch);\n    usual.set(this, proof.join());",
      },
      {
        file: "shared/wire/resume.ts",
        find: "function rotated(",
        put: "const usual = new WeakMap<Secret, string>();\n\nfunction rotated(",
      },
    ],
    test: ["test/spec/resume.test.ts", "a proof is good once, only for its session, and never for an older epoch"],
  },
  {
    name: "what a lane's end does not read is piled up without end",
    file: "edge/relay/lanes/identity-backlogs.ts",
    find: "return this.bytes > MAX_BYTES;",
    put: "return this.bytes < 0;",
    test: ["test/unit/relay-budgets.test.ts", "a backlog is one for all lanes of an identity"],
  },
  {
    name: "one token's many ends take everybody's budget",
    file: "edge/relay/site/budget.ts",
    find: "return Math.floor(share / 2 ** Math.ceil(Math.log2(Math.max(1, ends))));",
    put: "return Math.floor(share / 2 ** Math.ceil(Math.log2(Math.max(1, ends / 4))));",
    test: ["test/unit/relay-budgets.test.ts", "ends of one token"],
  },
  {
    name: "a user that takes all it can get leaves nothing",
    file: "shared/fair-limit.ts",
    find: "return this.heldBy(who) < this.#max - this.#inUse;",
    put: "return this.#inUse < this.#max || who === undefined;",
    test: ["test/unit/fair-limit.test.ts", "a user that takes all it can get"],
  },
];
