import { concreteEndpoints, formatEndpoint, type Endpoint } from "../../../shared/address/endpoint.ts";
import { formatTarget, type Target } from "../../../shared/address/target.ts";
import type { Mapping } from "../../../shared/rule/mapping.ts";
import { targetBehind, type Parsed } from "../../../shared/rule/parsed.ts";
import type { Kind } from "../../../shared/wire/open.ts";

/** A concrete endpoint of a rule: one port and transport, a URL or a service. Holds little, as a port range has up to 65,535 of them. */
export class MappedEndpoint {
  readonly rule: Parsed<Mapping>;
  readonly endpoint: Endpoint;

  constructor(rule: Parsed<Mapping>, endpoint: Endpoint) {
    this.rule = rule;
    this.endpoint = endpoint;
  }

  get mapping(): Mapping {
    return this.rule.mapping;
  }

  get kind(): Kind {
    return kindOf(this.endpoint);
  }

  /** The target that this one endpoint is mapped to. */
  get target(): Target {
    return targetBehind(this.rule, this.endpoint);
  }

  get targetText(): string {
    return this.endpoint === this.rule.endpoint ? this.mapping.target : formatTarget(this.target);
  }
}

/** Returns all concrete endpoints of a rule, each with its canonical text. */
export function mappedEndpoints(rule: Parsed<Mapping>): [text: string, at: MappedEndpoint][] {
  return concreteEndpoints(rule.endpoint).map((each) => [formatEndpoint(each), new MappedEndpoint(rule, each)]);
}

function kindOf(endpoint: Endpoint): Kind {
  if (endpoint.kind === "http") return "http";
  return endpoint.kind === "port" && endpoint.transport === "udp" ? "udp" : "tcp";
}
