"use strict";
// The trials of an A/B/X test, and the statistics of the answers.

function shuffled(items) {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

// Each trial assigns the two versions to A and B in random order, and one of them to X. Utterances are shuffled.
function drawTrials(items, count) {
  const trials = [];
  while (trials.length < count) trials.push(...shuffled(items));
  return trials.slice(0, count).map(({ clip, sounds }) => {
    const [a, b] = shuffled(sounds);
    return { clip, a, b, x: Math.random() < 0.5 ? a : b, answer: null, preference: null, switches: 0, started: 0 };
  });
}

// Probability of at least that many correct answers by guessing.
function chanceOf(correct, total) {
  let sum = 0;
  let term = 0.5 ** total;
  for (let number = 0; number <= total; number += 1) {
    if (number >= correct) sum += term;
    term *= (total - number) / (number + 1);
  }
  return Math.min(1, sum);
}

function resultsOf(trials, { names, set, started }) {
  const answered = trials.filter((trial) => trial.answer !== null);
  const correct = answered.filter((trial) => trial[trial.answer] === trial.x).length;
  const preferred = { [names[0]]: 0, [names[1]]: 0, none: 0 };
  for (const { preference, ...trial } of answered) preferred[trial[preference] ? trial[preference].label : "none"] += 1;
  return {
    title: REPORT.title,
    set,
    systems: names,
    started,
    finished: new Date().toISOString(),
    same_level: true,
    trials: answered.map((trial) => ({
      utterance: trial.clip.utterance,
      speaker: trial.x.speaker,
      a: trial.a.label,
      b: trial.b.label,
      x: trial.x.label,
      answer: trial.answer,
      correct: trial[trial.answer] === trial.x,
      preference: trial.preference,
      switches: trial.switches,
      seconds: trial.seconds,
    })),
    correct,
    total: answered.length,
    p_value: chanceOf(correct, answered.length),
    preferred,
  };
}
