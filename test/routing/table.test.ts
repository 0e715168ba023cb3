/**
 * Routing as a table: what is offered, what stands about it, what is asked, and who is asked in which order. One row a
 * case. Every row also holds what is always true: the hold is the dearest of the route, whoever is left out has a reason.
 *
 * offers      `a=1.00`: provider a at $1.00; `a=1.00/n`: for the model n; `a=1.00!`: a failed take is charged;
 *             `a=1.00~10`: it draws ten prepaid units
 * conditions  `a:run=5,queue=2,gen=60,slots=3,p=0.9,fails=1,lapse=4,blocked,unwell`; 5 idle slots and nothing measured else
 * asked       `fallback=cheaper order=b,c premium=0.1 max=1.5 only=a ignore=a sort=price models=n key=a wait=60`;
 *             with `tenant.` before it: the tenant's policy, by the names of its fields
 */
import { describe, expect, it } from 'vitest';
import { maxMicros, ratio, usd, ZERO_MICROS } from '../../src/ground/money.ts';
import { toBillionths } from '../../src/pricing/expected.ts';
import { combinePolicy, FALLBACKS, NO_ROUTING, SORTS, tenantPolicySchema } from '../../src/routing/policy.ts';
import { decide } from '../../src/routing/route.ts';
import { type Conditions, idleConditions } from '../../src/routing/score.ts';
import { offer } from '../support/rows.ts';

const TABLE = `
# price
a=1.00                        |                                |                                   | a
a=1.00 b=1.10 c=1.20          |                                |                                   | a b c
a=1.20 b=1.10 c=1.00          |                                |                                   | c b a
a=1.000001 b=1.00             |                                |                                   | b a
a=0.000001 b=0.000001         |                                |                                   | a b

# direction
a=1.00 b=1.10 c=1.20          |                                | fallback=any                      | a b c
a=1.00 b=1.10 c=1.20          |                                | fallback=none                     | a
a=1.00 b=1.10 c=1.20          |                                | fallback=cheaper                  | a
a=1.00 b=1.00 c=1.20          |                                | fallback=cheaper                  | a b
a=1.00 b=1.10 c=1.20          |                                | fallback=cheaper order=b          | b a
a=1.00 b=1.10 c=1.20          |                                | fallback=none order=b             | b
a=1.00 b=1.10 c=1.10          |                                | fallback=cheaper order=c          | c a b
a=1.00 b=1.10                 |                                | tenant.fallback=none              | a
a=1.00 b=1.10                 |                                | tenant.fallback=cheaper order=b   | b a
a=1.00 b=1.10                 |                                | tenant.fallback=none fallback=any | a
a=1.00 b=1.10                 |                                | tenant.fallback=any fallback=none | a
a=1.00 b=1.10 c=1.20          | a:unwell                       | fallback=cheaper                  | b
a=1.00 b=1.10 c=1.20          | a:blocked                      | fallback=cheaper                  | b

# premium
a=1.00 b=1.25 c=1.250001      |                                |                                   | a b
a=1.00 b=1.10 c=1.100001      |                                | premium=0.1                       | a b
a=1.00 b=1.000001             |                                | premium=0                         | a
a=1.00 b=3.00                 |                                | premium=2                         | a b
a=1.00 b=1.20                 |                                | premium=0.1 tenant.max_premium=0.5 | a
a=1.00 b=1.20                 |                                | premium=0.5 tenant.max_premium=0.1 | a
a=1.00 b=1.20 c=1.30          | a:blocked                      |                                   | b
a=1.00 b=1.20 c=1.30          | a:unwell                       |                                   | b
a=1.00 b=1.20 c=1.40          |                                | ignore=a                          | b c
a=1.00 b=1.20 c=1.40          |                                | tenant.ignore=a                   | b c
a=1.00 b=2.00 c=2.50          |                                | order=b                           | b a c
a=1.00 b=2.00 c=2.51          |                                | order=b                           | b a
a=1.00 b=2.00                 |                                | order=a                           | a

# ceilings
a=1.00 b=1.20                 |                                | max=1.1                           | a
a=1.00 b=1.20                 |                                | max=1.2                           | a b
a=1.00 b=1.20                 |                                | max=0.9                           |
a=1.00 b=1.20                 |                                | tenant.max_price_usd=1.1          | a
a=1.00 b=1.20                 |                                | max=1.2 tenant.max_price_usd=1.1  | a
a=1.00 b=1.20                 |                                | max=1.1 tenant.max_price_usd=1.2  | a
a=1.00 b=1.20                 |                                | max=1.1 order=b                   | a

# slots: the default value of time is $0.0005 a second, and 120 s are reckoned where nothing is measured
a=1.00 b=1.00                 | a:run=5                        |                                   | b a
a=1.00 b=1.00                 | a:run=4                        |                                   | a b
a=1.00 b=1.00                 | a:queue=5                      |                                   | b a
a=1.00 b=1.01                 | a:run=5,gen=60 b:gen=60        |                                   | a b
a=1.00 b=1.01                 | a:run=9,gen=60 b:gen=60        |                                   | b a
a=1.00 b=1.01                 | a:run=8,gen=60 b:gen=60        |                                   | b a
a=1.00 b=1.20                 | a:run=5,queue=10               |                                   | a b
a=1.00 b=1.20                 | a:run=5,queue=40               |                                   | b a
a=1.00 b=1.20                 | a:run=5,queue=40               | sort=price                        | b a
a=1.00 b=1.20                 | a:run=5,queue=20               | sort=price                        | a b
a=1.00 b=1.20                 | a:run=5,queue=6                | tenant.value_of_time_usd_per_hour=9 | b a
a=1.00 b=1.20                 | a:slots=1,run=1                | wait=200                          | b a
a=1.00 b=1.20                 | a:slots=1,run=1                | wait=240                          | a b
a=1.00 b=1.20                 | a:slots=1,run=1                | wait=200 order=a                  | b a
a=1.00 b=1.20                 | a:slots=1,run=1 b:slots=1,run=1 | wait=200                         | a b
a=1.00                        | a:slots=1,run=9,queue=99       | wait=60                           | a
a=1.00 b=1.20                 | a:slots=1,run=1                | wait=200 fallback=none            | b
a=1.00 b=1.05                 | a:gen=200 b:gen=60             |                                   | b a
a=1.00 b=1.05                 | a:gen=100 b:gen=60             |                                   | a b

# health
a=1.00 b=1.10                 | a:blocked                      |                                   | b
a=1.00 b=1.10                 | a:blocked b:blocked            |                                   |
a=1.00 b=1.10                 | a:unwell                       |                                   | b
a=1.00 b=1.10                 | a:unwell,p=0.5 b:unwell,p=0.9  |                                   | b a
a=1.00 b=1.10                 | a:unwell,p=0.9 b:unwell,p=0.5  |                                   | a b
a=1.00 b=1.10                 | a:unwell b:blocked             |                                   | a
a=1.00! b=1.05                | a:p=0.9                        |                                   | b a
a=1.00! b=1.05                | a:p=0.99                       |                                   | a b
a=1.00 b=1.05                 | a:p=0.9                        |                                   | a b
a=1.00 b=1.05                 | a:p=0.5                        |                                   | b a
a=1.00! b=1.05!               | a:p=0.9 b:p=0.9                |                                   | a b

# preferences
a=1.00 b=1.10 c=1.20          |                                | order=c,b                         | c b a
a=1.00 b=1.10 c=1.20          |                                | order=nobody,b                    | b a c
a=1.00 b=1.10 c=1.20          |                                | only=b,c                          | b c
a=1.00 b=1.10 c=1.20          |                                | only=c order=a                    | c
a=1.00 b=1.10 c=1.20          |                                | ignore=b                          | a c
a=1.00 b=1.10                 |                                | only=a tenant.only=b              |
a=1.00 b=1.10                 |                                | tenant.only=b                     | b
a=1.00 b=1.10                 |                                | key=b                             | b
a=1.00 b=1.10                 |                                | key=b only=a                      |
a=1.00 b=1.10                 | a:run=5 b:gen=200              | sort=latency                      | a b
a=1.00 b=1.10                 | a:gen=100 b:gen=60             | sort=latency                      | b a
a=1.00 b=1.10                 | a:gen=100 b:gen=60             | sort=throughput                   | b a
a=1.00 b=1.10                 | a:gen=1000 b:gen=60            | sort=price                        | a b
a=1.00 b=1.10                 | a:gen=1000 b:gen=60            | sort=price tenant.sort=latency    | a b
a=1.00 b=1.10                 | a:gen=1000 b:gen=60            | tenant.sort=latency               | b a
a=1.10 a=1.00/n               |                                |                                   | a a/n
a=1.10 b=1.00/n c=1.05        |                                |                                   | c a b/n
a=1.00 b=1.30/n c=1.20/n      |                                |                                   | a c/n

# packs: units that would lapse cost nothing, and the tenant pays no more than the cheapest other asks
a=1.40~10 b=1.20              |                                |                                   | b a
a=1.40~10 b=1.20              | a:lapse=10                     |                                   | a b
a=1.40~10 b=1.20              | a:lapse=2                      |                                   | a b
a=1.40~10 b=1.20              | a:lapse=1                      |                                   | b a
a=1.60~10 b=1.20              |                                |                                   | b
a=1.60~10 b=1.20              | a:lapse=10                     |                                   | a b
a=1.40~10 b=1.20              | a:lapse=10                     | max=1.2                           | a b
a=1.40~10 b=1.20              |                                | max=1.2                           | b
a=1.40~10 b=1.20 c=1.30       | a:lapse=10                     | fallback=cheaper                  | a b
a=1.40~10 b=1.20              | a:lapse=10                     | fallback=none                     | a
a=1.40~10 b=1.20              | a:lapse=10                     | only=a                            | a
a=1.40~10 b=1.20              | a:lapse=10                     | sort=price                        | a b
a=1.40~10 b=1.20              | a:lapse=10 b:gen=60            | sort=latency                      | b a
a=1.40~10 b=1.20              | a:lapse=10,run=5               |                                   | a b
a=1.40~10 b=1.20              | a:lapse=10,run=5,queue=99      |                                   | b a
a=1.40~10 b=1.20              | a:lapse=10,blocked             |                                   | b
a=1.40~10 b=1.20              | b:lapse=10                     |                                   | b a
a=1.40~10 b=1.20~10           | a:lapse=10 b:lapse=10          |                                   | a b
a=1.40~10 b=1.00/n c=1.30     | a:lapse=10                     |                                   | a c b/n

# ties
a=1.00 b=1.00 c=1.00          |                                |                                   | a b c
a=1.00 b=1.00 c=1.00          | a:fails=1                      |                                   | b c a
a=1.00 b=1.00 c=1.00          | a:fails=2 c:fails=1            |                                   | b c a
a=1.00 b=1.00                 | a:fails=1 b:fails=1            |                                   | a b
a=1.00 b=1.00                 | a:fails=9                      | order=a                           | a b
a=1.00 b=1.00                 | a:fails=1,gen=60 b:gen=61      |                                   | a b
`;

const rows = TABLE.split('\n').filter((line) => line.includes('|'));

describe('who is asked, and in which order', () => {
  it('is told by at least sixty rows', () => expect(rows.length).toBeGreaterThanOrEqual(60));

  it.each(rows.map((row) => row.split('|').map((cell) => cell.trim())))(
    '%s, where %s, asked for %s: %s',
    (offers = '', conditions = '', asked = '', expected = '') => {
      const route = routeOf(offers, conditions, asked);
      const shown = route.route.map(({ provider, model }) => (model === 'm' ? provider : `${provider}/${model}`));
      expect(shown.join(' ')).toBe(expected);
      const prices = route.route.map((candidate) => candidate.offer?.quote.priceMicros ?? ZERO_MICROS);
      expect(route.holdMicros).toBe(maxMicros(ZERO_MICROS, ...prices));
      const left = route.candidates.slice(route.route.length);
      expect(left.map(({ excluded }) => excluded)).not.toContain(null);
      expect(route.candidates).toHaveLength(offers.split(/ +/).length);
      const everybodyUnwell =
        route.route.length > 0 && unwell(conditions) && !left.some(({ excluded }) => excluded === UNWELL);
      expect(route.warnings.length > 0).toBe(everybodyUnwell);
    },
  );
});

const UNWELL = 'circuit open';
const unwell = (conditions: string): boolean => conditions.includes('unwell');

function routeOf(offers: string, conditions: string, asked: string) {
  const sold = offers.split(/ +/).map((text) => {
    const [, provider = '', price = '', model = 'm', drawn = '0', charged] =
      /^(\w+)=([\d.]+)(?:\/(\w+))?(?:~(\d+))?(!)?$/.exec(text) ?? [];
    const units = toBillionths(ratio(drawn));
    return offer(provider, Number(price), { model, units, ...(charged && { failed: 'charged' as const }) });
  });
  const known = new Map(
    conditions.split(/ +/).map((text) => {
      const [provider = '', ...facts] = text.split(/[:,]/);
      return [provider, facts.reduce<Conditions>(withFact, idleConditions(5))];
    }),
  );
  return decide({
    offers: sold,
    policy: policyOf(asked),
    conditionsOf: ({ provider }) => known.get(provider) ?? idleConditions(5),
  });
}

function withFact(conditions: Conditions, fact: string): Conditions {
  const [name = '', text = ''] = fact.split('=');
  const value = Number(text);
  switch (name) {
    case 'run':
      return { ...conditions, running: value };
    case 'queue':
      return { ...conditions, queuedAhead: value };
    case 'gen':
      return { ...conditions, generationSeconds: value };
    case 'slots':
      return { ...conditions, slots: value };
    case 'p':
      return { ...conditions, successRate: value };
    case 'fails':
      return { ...conditions, recentFailures: value };
    case 'lapse':
      return { ...conditions, lapsing: toBillionths(ratio(text)) };
    case 'blocked':
      return { ...conditions, blocked: 'isolated' };
    case 'unwell':
      return { ...conditions, unhealthy: UNWELL };
    default:
      throw new Error(`the table knows no condition '${name}'`);
  }
}

const LISTS = ['only', 'ignore', 'models'];
const TEXTS = ['fallback', 'sort', 'in_doubt'];

function policyOf(asked: string) {
  const pairs = asked
    .split(/ +/)
    .filter(Boolean)
    .map((text): [string, string] => [text.split('=')[0] ?? '', text.split('=')[1] ?? '']);
  const of = (name: string): string | undefined => pairs.find(([key]) => key === name)?.[1];
  const list = (name: string): string[] | null => of(name)?.split(',') ?? null;
  const number = (name: string): number | null => (of(name) === undefined ? null : Number(of(name)));
  const tenant = tenantPolicySchema.parse(
    Object.fromEntries(
      pairs.flatMap(([key, text]) => {
        if (key === 'wait') return [['queue_timeout_seconds', Number(text)]];
        if (!key.startsWith('tenant.')) return [];
        const name = key.slice('tenant.'.length);
        return [[name, LISTS.includes(name) ? text.split(',') : TEXTS.includes(name) ? text : Number(text)]];
      }),
    ),
  );
  const max = number('max');
  const request = {
    ...NO_ROUTING,
    order: list('order') ?? [],
    only: list('only'),
    ignore: list('ignore') ?? [],
    fallback: FALLBACKS.find((fallback) => fallback === of('fallback')) ?? null,
    sort: SORTS.find((sort) => sort === of('sort')) ?? null,
    maxPremium: number('premium'),
    maxPriceMicros: max === null ? null : usd(max),
  };
  const tenantMax = tenant.max_price_usd;
  return combinePolicy(tenant, request, tenantMax === undefined ? null : usd(tenantMax), list('key'));
}
