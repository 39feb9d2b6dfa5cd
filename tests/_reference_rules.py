"""The rules by their formulas, on plain lists of floats: slow, without logarithms, sharing nothing with the package.

Every class keeps what its docstring's formula names (V and Q, not their roots or logarithms), so that an agreement
is an agreement of two derivations.
"""

import math


def _divided(parts):
    total = sum(parts)
    return [part / total if total > 0 else 0.0 for part in parts]


class Reference:
    def __init__(self, prior, memory, models=None, **params):
        self.prior, self.memory = list(prior), list(memory)
        self.size = len(self.prior)
        self.models = list(range(self.size)) if models is None else list(models)
        self.params = params
        self.begin()

    def begin(self):
        pass

    def update(self, losses, awake, weights=None, scale=1.0):
        if weights is None:
            weights = self.weights(awake)
        awake = [a if a > 0 and math.isfinite(loss) else 0.0 for a, loss in zip(awake, losses, strict=True)]
        if scale == 0 or not any(awake):
            return
        weights = _divided([w if a > 0 else 0.0 for w, a in zip(weights, awake, strict=True)])
        if not any(weights):
            weights = self.weights(awake)
        mixed = sum(w * loss for w, loss in zip(weights, losses, strict=True) if w > 0)
        regrets = [scale * a * (mixed - loss) if a > 0 else 0.0 for a, loss in zip(awake, losses, strict=True)]
        self.learn(regrets, awake, weights)

    def learn(self, regrets, awake, weights):
        pass


class NoLearning(Reference):
    def weights(self, awake):
        return _divided([a * p for a, p in zip(awake, self.prior, strict=True)])


class RecentPerformance(Reference):
    def begin(self):
        self.window = [[] for _ in range(self.size)]
        self.heard = [0.0] * self.size

    def weights(self, awake):
        parts = []
        for j, leads in enumerate(self.window):
            noise = math.sqrt(sum(lead**2 for lead in leads))
            known = self.heard[j] >= self.params.get("min_outcomes", 10) and noise > 0
            parts.append(awake[j] * self.prior[j] * math.exp(sum(leads) / noise if known else 0.0))
        return _divided(parts)

    def learn(self, regrets, awake, weights):
        field = _divided([a * p for a, p in zip(awake, self.prior, strict=True)])
        mean = sum(f * r / a for f, r, a in zip(field, regrets, awake, strict=True) if a > 0)
        for j, a in enumerate(awake):
            if a > 0:
                faded = [lead * self.memory[j] ** a for lead in self.window[j]]
                self.window[j] = [*faded, regrets[j] - a * mean][-self.params.get("lookback", 50) :]
                self.heard[j] += a


class ExponentialAverage(Reference):
    def begin(self):
        self.saved = [0.0] * self.size
        self.gaps = self.inverse_rate = 0.0
        self.rows = 0

    def trust(self):
        if self.inverse_rate == 0:
            return self.prior
        return [p * math.exp(x / self.inverse_rate) for p, x in zip(self.prior, self.saved, strict=True)]

    def weights(self, awake):
        return _divided([a * u for a, u in zip(awake, self.trust(), strict=True)])

    def nats(self):
        return math.log(max(self.size, 2))

    def learn(self, regrets, awake, weights):
        speaking = [j for j in range(self.size) if awake[j] > 0]
        trust = self.trust()
        total = sum(trust[j] for j in speaking)
        if self.inverse_rate == 0:
            gap = max(regrets[j] for j in speaking)
        else:
            gain = sum(trust[j] / total * math.exp(regrets[j] / self.inverse_rate) for j in speaking)
            gap = self.inverse_rate * math.log(gain)
        gap = max(gap, 0.0)
        fade = sum(w * m**a for w, m, a in zip(weights, self.memory, awake, strict=True))
        self.saved = [m**a * x for x, m, a in zip(self.saved, self.memory, awake, strict=True)]
        for j in speaking:
            self.saved[j] += regrets[j] - gap
        self.gaps = fade * self.gaps + gap
        self.rows += 1
        self.inverse_rate = max(fade * self.inverse_rate, self.gaps / self.nats())
        if self.inverse_rate > 0:
            self.pass_around(awake, speaking)

    def pass_around(self, awake, speaking):
        pass


class FixedShare(ExponentialAverage):
    def nats(self):
        share = self.params.get("share", 0.005)
        per_row = share * math.log(max(self.size, 2) / share) + (1 - share) * math.log(1 / (1 - share))
        return super().nats() + self.rows * per_row

    def pass_around(self, awake, speaking):
        share = self.params.get("share", 0.005)
        trust = self.trust()
        pot = sum(awake[j] * trust[j] for j in speaking) / sum(awake[j] * self.prior[j] for j in speaking)
        for j in speaking:
            mixed = (1 - share * awake[j]) * trust[j] + share * awake[j] * self.prior[j] * pot
            self.saved[j] = self.inverse_rate * math.log(mixed / self.prior[j])


class MLPoly(Reference):
    def begin(self):
        self.regret = [0.0] * self.size
        self.squares = [0.0] * self.size
        self.reach = 0.0

    def weights(self, awake):
        parts = [
            a * p * max(regret, 0.0) / (self.reach**2 + v) if regret > 0 else 0.0
            for a, p, regret, v in zip(awake, self.prior, self.regret, self.squares, strict=True)
        ]
        return _divided(parts) if sum(parts) > 0 else _divided([a * p for a, p in zip(awake, self.prior, strict=True)])

    def learn(self, regrets, awake, weights):
        for j in range(self.size):
            fade = self.memory[j] ** awake[j]
            self.regret[j] = fade * self.regret[j] + regrets[j]
            self.squares[j] = fade * self.squares[j] + regrets[j] ** 2
            self.reach = max(self.reach, abs(regrets[j]))


class BernsteinAggregation(Reference):
    def begin(self):
        self.v = [0.0] * self.size
        self.q = [0.0] * self.size

    def weights(self, awake):
        shares = _divided([a * p for a, p in zip(awake, self.prior, strict=True)])
        speaking = [j for j in range(self.size) if awake[j] > 0]
        updated = [j for j in speaking if self.v[j] > 0]
        met = {self.models[j] for j in updated}
        weights = [0.0] * self.size
        rest = 1.0
        for j in speaking:
            if self.models[j] not in met:
                weights[j] = shares[j]
                rest -= shares[j]
        rates = {j: 1 / math.sqrt(self.v[j]) for j in updated}
        parts = {j: awake[j] * self.prior[j] * rates[j] * math.exp(rates[j] * self.q[j]) for j in updated}
        for j in updated:
            weights[j] = rest * parts[j] / sum(parts.values())
        return weights

    def learn(self, regrets, awake, weights):
        for j, regret in enumerate(regrets):
            if awake[j] > 0:
                fade = self.memory[j] ** awake[j]
                self.v[j] = fade * self.v[j] + 2.2 * regret**2
                self.q[j] = fade * self.q[j] + regret
                if self.v[j] > 0:
                    self.q[j] -= regret**2 / math.sqrt(self.v[j])
