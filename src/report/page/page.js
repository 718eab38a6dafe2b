'use strict';
// What a report does beyond being read: tables are sorted and saved, facts are searched, and each has a page (#fact-N).
(() => {
  const element = (name, properties = {}, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...content);
    return made;
  };

  // ---- tables ----

  const numberIn = (text) => {
    const found = /^[\s[]*(-?\d+(\.\d+)?(e[+-]?\d+)?)/.exec(text);
    return found ? Number(found[1]) : NaN;
  };
  const textOf = (row, column) => (row.cells[column] ? row.cells[column].textContent.trim() : '');
  const isMissing = (text) => text === '' || text === '-';

  /** Rows of a body in units that stay together: a row and those that belong to it. */
  const unitsOf = (body) => {
    const units = [];
    for (const row of body.rows) {
      if (row.className === 'heading') continue;
      if (row.className === 'child' && units.length > 0) units[units.length - 1].push(row);
      else units.push([row]);
    }
    return units;
  };

  /** Numbers by size, else texts; what is missing comes last in both directions. */
  const comparison = (texts, direction) => {
    const there = texts.filter((text) => !isMissing(text));
    const numeric = there.every((text) => !Number.isNaN(numberIn(text)));
    const collator = new Intl.Collator('en', {numeric: true});
    return (a, b) => {
      if (isMissing(a) || isMissing(b)) return Number(isMissing(a)) - Number(isMissing(b));
      return direction * (numeric ? numberIn(a) - numberIn(b) : collator.compare(a, b));
    };
  };

  const sortTable = (table, column, direction) => {
    for (const body of table.tBodies) {
      const units = unitsOf(body).map((rows) => ({rows, text: textOf(rows[0], column)}));
      const compare = comparison(units.map((unit) => unit.text), direction);
      units.sort((a, b) => compare(a.text, b.text));
      for (const unit of units) body.append(...unit.rows);
    }
  };

  /** Makes a head's cell sort; numbers begin with the largest. `sort(column, direction)` does it. */
  const addSorting = (heads, sort, initial) => {
    heads.forEach((head, column) => {
      const button = element('button', {type: 'button'});
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => {
        const up = head.getAttribute('aria-sort') === 'descending' || (head.getAttribute('aria-sort') === 'none' && column === 0);
        for (const other of heads) other.setAttribute('aria-sort', 'none');
        head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        sort(column, up ? 1 : -1);
      });
      if (initial === column) head.setAttribute('aria-sort', 'ascending');
    });
  };

  const csvField = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csvOf = (table) =>
    [...table.rows]
      .map((row) => [...row.cells].map((cell) => csvField([...cell.childNodes].map((node) => node.textContent).filter(Boolean).join(' ').trim())).join(','))
      .join('\n') + '\n';

  const save = (name, content) => {
    const link = element('a', {download: name, href: 'data:text/csv;charset=utf-8,' + encodeURIComponent(content)});
    document.body.append(link);
    link.click();
    link.remove();
  };

  const furnish = (table) => {
    if (table.tHead && table.tHead.rows.length > 0) {
      addSorting([...table.tHead.rows[0].cells], (column, direction) => sortTable(table, column, direction));
    }
    const name = table.caption.textContent || 'table';
    const button = element('button', {type: 'button', 'aria-label': `CSV: ${name}`}, 'CSV');
    button.addEventListener('click', () => save(name.replace(/[^\p{L}\p{N}]+/gu, '-') + '.csv', csvOf(table)));
    table.closest('.scroll').after(element('p', {className: 'save'}, button));
  };
  document.querySelectorAll('table.data').forEach(furnish);

  // ---- facts ----

  const source = document.getElementById('fact-data');
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const count = data.prompt.length;
  const pageSize = 50;

  const share = (value) => {
    if (value === null || value === undefined) return '-';
    if (value >= 0.0005) return `${(100 * value).toFixed(1)} %`;
    return value === 0 ? '0' : value.toExponential(0);
  };
  const probability = (list, fact) => (list[fact] === null ? null : Math.exp(list[fact] / 1000));
  const scaled = (list, fact, unit, digits) => (!list || list[fact] === null ? '-' : (list[fact] / unit).toFixed(digits));
  const plain = (list, fact) => (!list || list[fact] === null ? '-' : String(list[fact]));
  const yesNo = (value) => (value === null || value === undefined ? '-' : value ? 'yes' : 'no');
  const labelOf = (model) => model.label + (model.set ? ` (${model.set})` : '');
  const restored = (model, fact) => {
    if (!model || model.lp_true[fact] === null || model.lp_new[fact] === null) return null;
    return model.lp_true[fact] > model.lp_new[fact];
  };

  const state = {text: '', split: '', relation: '', outcome: '', model: Math.max(0, data.models.findIndex((model) => model.kind === 'mask')),
                 column: 0, direction: 1, page: 0, order: []};
  const haystack = data.prompt.map((prompt, fact) =>
    [prompt, data.subject[fact], data.true[fact], data.new[fact], data.case[fact], data.relations[data.relation[fact]]].join('\n').toLowerCase());

  const columns = [
    {name: 'case', value: (fact) => data.case[fact]},
    {name: 'split', text: true, value: (fact) => data.splits[data.split[fact]]},
    {name: 'relation', text: true, value: (fact) => data.relations[data.relation[fact]]},
    {name: 'prompt', text: true, value: (fact) => data.prompt[fact]},
    {name: 'true object', text: true, value: (fact) => data.true[fact]},
    {name: 'new object', text: true, value: (fact) => data.new[fact]},
  ];
  const current = () => data.models[state.model];
  if (data.models.length > 0) {
    columns.push(
      {name: 'P(true)', value: (fact) => probability(current().lp_true, fact), show: share},
      {name: 'P(new)', value: (fact) => probability(current().lp_new, fact), show: share},
      {name: 'true preferred', value: (fact) => { const is = restored(current(), fact); return is === null ? null : Number(is); }, show: yesNo},
      {name: 'KL', value: (fact) => (current().kl[fact] === null ? null : current().kl[fact] / 1000), show: (value) => (value === null ? '-' : value.toFixed(3))});
  }

  const passes = (fact) => {
    if (state.split !== '' && data.split[fact] !== Number(state.split)) return false;
    if (state.relation !== '' && data.relation[fact] !== Number(state.relation)) return false;
    if (state.outcome === 'true' && restored(current(), fact) !== true) return false;
    if (state.outcome === 'new' && restored(current(), fact) !== false) return false;
    return state.text.toLowerCase().split(/\s+/).every((word) => haystack[fact].includes(word));
  };

  const arrange = () => {
    state.order = [];
    for (let fact = 0; fact < count; ++fact) if (passes(fact)) state.order.push(fact);
    const {value, text} = columns[state.column];
    const keys = new Map(state.order.map((fact) => [fact, value(fact)]));
    const collator = new Intl.Collator('en', {numeric: true});
    state.order.sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      if (x === null || y === null) return Number(x === null) - Number(y === null) || a - b;
      return state.direction * (text ? collator.compare(x, y) : x - y) || a - b;
    });
    state.page = 0;
  };

  const list = document.getElementById('fact-list');
  const body = element('tbody');
  const said = element('p', {role: 'status', id: 'fact-count'});
  const back = element('button', {type: 'button', className: 'plain'}, 'Previous facts');
  const on = element('button', {type: 'button', className: 'plain'}, 'Next facts');

  const cellOf = (column, fact) => {
    const value = column.value(fact);
    const text = column.show ? column.show(value) : String(value);
    const cell = element('td', {dir: 'auto'});
    if (column.text) cell.className = column.name === 'prompt' ? 'prompt' : 'text';
    if (column.name === 'prompt') cell.append(element('a', {href: `#fact-${fact}`}, text));
    else cell.append(text);
    if (column.name === 'true preferred' && value !== null) cell.className = value ? 'yes' : 'no';
    return cell;
  };

  const show = () => {
    const first = state.page * pageSize, last = Math.min(first + pageSize, state.order.length);
    body.replaceChildren(...state.order.slice(first, last).map((fact) => {
      const row = element('tr');
      row.append(...columns.map((column) => cellOf(column, fact)));
      return row;
    }));
    said.textContent = state.order.length === 0 ? `None of ${count} facts.`
      : `Facts ${first + 1} to ${last} of ${state.order.length}` + (state.order.length < count ? `, chosen from ${count}.` : '.');
    back.disabled = state.page === 0;
    on.disabled = last >= state.order.length;
  };
  const update = () => { arrange(); show(); };

  const choice = (label, key, options) => {
    const select = element('select', {id: `fact-${key}`});
    select.append(...options.map(([value, text]) => element('option', {value}, text)));
    select.value = String(state[key]);
    select.addEventListener('change', () => {
      state[key] = key === 'model' ? Number(select.value) : select.value;
      update();
    });
    return element('label', {}, label, select);
  };

  const search = element('input', {type: 'search', id: 'fact-search', autocomplete: 'off'});
  let waiting = 0;
  search.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.text = search.value; update(); }, 80);
  });
  const controls = element('div', {className: 'controls'}, element('label', {}, 'Search', search));
  const names = (texts) => [['', 'all'], ...texts.map((text, number) => [String(number), text])];
  if (data.splits.length > 1) controls.append(choice('Split', 'split', names(data.splits)));
  if (data.relations.length > 1) controls.append(choice('Relation', 'relation', names(data.relations)));
  if (data.models.length > 0) {
    controls.append(choice('Model', 'model', data.models.map((model, number) => [String(number), labelOf(model)])),
                    choice('Preferred object', 'outcome', [['', 'any'], ['true', 'the true one'], ['new', 'the new one']]));
  }
  const heads = columns.map((column) => element('th', {scope: 'col', className: column.text ? 'text' : ''}, column.name));
  addSorting(heads, (column, direction) => { state.column = column; state.direction = direction; update(); }, 0);
  const headRow = element('tr');
  headRow.append(...heads);
  const table = element('table', {id: 'fact-table'}, element('caption', {}, 'Facts, with their scores on the rewrite prompt under the chosen model'),
                        element('thead', {}, headRow), body);
  back.addEventListener('click', () => { --state.page; show(); });
  on.addEventListener('click', () => { ++state.page; show(); });
  list.append(controls, said, element('div', {className: 'scroll', role: 'group', tabIndex: 0, 'aria-label': 'List of facts'}, table),
              element('p', {className: 'controls'}, back, on));
  update();

  // ---- the page of a fact ----

  const view = document.getElementById('fact');

  /** Groups of rows, by their heading; "" where there is one group. */
  const tableOf = (caption, head, groups) => {
    const made = element('table', {className: 'data'}, element('caption', {}, caption));
    const line = element('tr');
    line.append(...head.map((name) => element('th', {scope: 'col'}, name)));
    made.append(element('thead', {}, line));
    for (const [heading, rows] of groups) {
      const content = element('tbody');
      if (heading) content.append(element('tr', {className: 'heading'}, element('th', {scope: 'rowgroup', colSpan: head.length}, heading)));
      for (const [label, ...cells] of rows) {
        const row = element('tr', {}, element('th', {scope: 'row'}, label));
        row.append(...cells.map((cell) => (cell instanceof Node ? cell : element('td', {}, cell))));
        content.append(row);
      }
      made.append(content);
    }
    const box = element('div', {className: 'scroll', role: 'group', tabIndex: 0, 'aria-label': caption}, made);
    const whole = element('div', {}, box);
    furnish(made);
    return whole;
  };

  const barsOf = (pTrue, pNew) => {
    const cell = element('td', {className: 'bars', 'aria-hidden': 'true'});
    for (const [name, value] of [['true', pTrue], ['new', pNew]]) {
      const bar = element('span', {className: `bar ${name}`});
      bar.style.width = `${(7 * (value || 0)).toFixed(2)}rem`;
      cell.append(bar);
    }
    return cell;
  };

  const answer = (value) => element('td', {className: value === null ? '' : value ? 'yes' : 'no'}, yesNo(value));

  /** Rows for models, grouped by the way of editing. */
  const byEdits = (rowsOf) => {
    const groups = new Map();
    for (const model of data.models) {
      const rows = rowsOf(model);
      if (rows.length > 0) groups.set(model.set, [...(groups.get(model.set) || []), ...rows]);
    }
    return [...groups];
  };

  const rewriteTable = (fact) => tableOf(
    'After the rewrite prompt', ['model', 'zeros %', 'P(true)', 'P(new)', 'true, new', 'true preferred', 'rank of true', 'rank of new', 'KL', 'top-1 changed'],
    byEdits((model) => {
      if (model.lp_true[fact] === null) return [];
      const pTrue = probability(model.lp_true, fact), pNew = probability(model.lp_new, fact);
      return [[model.label, model.zeros === null ? '-' : (model.zeros / 100).toFixed(1), share(pTrue), share(pNew), barsOf(pTrue, pNew),
              answer(restored(model, fact)), plain(model.rank_true, fact), plain(model.rank_new, fact), scaled(model.kl, fact, 1000, 3),
              yesNo(model.changed[fact])]];
    }));

  const otherTables = (fact) => {
    const kinds = [...new Set(data.models.flatMap((model) => (model.kinds || []).map((of) => of.kind)))];
    const tables = kinds.map((kind) => [kind, byEdits((model) => (model.kinds || []).filter((of) => of.kind === kind && of.prompts[fact] > 0).map((of) =>
      [model.label, `${of.restored[fact]}/${of.prompts[fact]}`, scaled(of.p_true, fact, 100, 2), scaled(of.p_new, fact, 100, 2)]))]);
    return tables.filter(([, groups]) => groups.length > 0).map(([kind, groups]) =>
      tableOf(`After ${kind} prompts`, ['model', 'P(true) > P(new), of prompts', 'mean P(true) %', 'mean P(new) %'], groups));
  };

  const editTable = (fact) => {
    const rows = data.edits.map((of) => [
      of.set || 'the edit', yesNo(of.known?.[fact]), yesNo(of.took?.[fact]), yesNo(of.took_top1?.[fact]), plain(of.layer, fact), plain(of.steps, fact),
      scaled(of.loss, fact, 1000, 3), of.p_new && of.p_new[fact] !== null ? share(of.p_new[fact] / 1000) : '-', scaled(of.delta_norm, fact, 1000, 1),
      of.failure?.[fact] || '']);
    return tableOf('Edits', ['way of editing', 'known before', 'took', 'took, top-1', 'layer', 'steps', 'loss', 'P(new) at the end', '|dW|', 'failure'], [['', rows]]);
  };

  const injectionTable = (fact) => {
    const rows = (data.injections || []).filter((of) => fact in of.facts).map((of) => {
      const [lpTrue, lpNew, tokens, norm] = of.facts[fact];
      const p = (value) => (value === null ? null : Math.exp(value / 1000));
      return [of.label, share(p(lpTrue)), share(p(lpNew)), tokens === null ? '-' : (tokens / 10).toFixed(0), norm === null ? '-' : (norm / 1000).toFixed(1)];
    });
    return rows.length > 0 ? [tableOf('Edited under a mask', ['mask, editing', 'P(true)', 'P(new)', 'tokens of new %', '|dW|'], [['', rows]])] : [];
  };

  // ---- what happens inside of the models while they read a fact ----

  const drawn = (name, attributes, ...content) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  };
  const written = (x, y, anchor, text) => drawn('text', {x, y, 'text-anchor': anchor}, text);
  const pictured = (caption, width, height, ...shapes) => element('figure', {},
    drawn('svg', {viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', class: 'small'}, drawn('title', {}, caption), ...shapes),
    element('figcaption', {dir: 'auto'}, caption));
  const layerName = (layer) => (layer < 0 ? 'embedding' : String(layer));

  /** Marks of about `count` layers below a picture; `place` of a layer's number from 0. */
  const layerMarks = (of, y, place, count) => {
    const marks = [];
    const step = Math.max(1, Math.ceil(of.layers / count));
    for (let at = of.first < 0 ? -of.first : 0; at < of.layers; at += step) marks.push(written(place(at), y, 'middle', String(of.first + at)));
    return marks;
  };

  /** 1, 2 or 5 times a power of ten, at most 5 of which cover a length. */
  const stepOf = (length) => {
    const power = 10 ** Math.floor(Math.log10((length || 1) / 5));
    return power * ([1, 2, 5].find((times) => length <= 5 * times * power) || 10);
  };

  /** Lines of [values, class] over layers. */
  const linesOver = (caption, of, lines) => {
    const width = 300, height = 170, left = 44, right = width - 8, top = 8, bottom = height - 34;
    const there = lines.flatMap(([values]) => values.filter((value) => value !== null));
    const step = stepOf(Math.max(0, ...there) - Math.min(0, ...there));
    const least = step * Math.floor(Math.min(0, ...there) / step), most = step * Math.ceil(Math.max(0, ...there) / step);
    const x = (at) => left + (right - left) * (of.layers > 1 ? at / (of.layers - 1) : 0.5);
    const y = (value) => bottom - (bottom - top) * (value - least) / (most - least || 1);
    const shapes = [];
    for (let mark = Math.round(least / step); mark <= Math.round(most / step); ++mark) {
      const at = y(mark * step);
      shapes.push(drawn('line', {class: 'grid', x1: left, x2: right, y1: at, y2: at}), written(left - 6, at + 4, 'end', String(Number((mark * step).toPrecision(6)))));
    }
    for (const [values, name] of lines) {
      const points = values.map((value, at) => (value === null ? null : `${x(at).toFixed(1)},${y(value).toFixed(1)}`)).filter(Boolean);
      shapes.push(drawn('polyline', {class: `line ${name}`, points: points.join(' ')}));
    }
    return pictured(caption, width, height, ...shapes, ...layerMarks(of, bottom + 16, x, 7), written((left + right) / 2, height - 4, 'middle', 'after layer'));
  };

  /** Cells by row and layer; the strongest is `most` from 0, those below 0 have the other colour. */
  const cellsOver = (caption, of, names, cells, most, across) => {
    const cell = Math.max(8, Math.min(20, Math.floor(320 / of.layers))), high = 15;
    const left = 12 + 7 * Math.max(...names.map((name) => name.length)), bottom = 6 + high * names.length;
    const shapes = names.map((name, row) => written(left - 6, 6 + high * row + 11, 'end', name));
    cells.forEach((values, row) => values.forEach((value, at) => {
      if (value === null) return;
      const strength = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
      shapes.push(drawn('rect', {class: value < 0 ? 'cell new' : 'cell true', x: left + cell * at, y: 6 + high * row, width: cell - 1, height: high - 1,
                                 'fill-opacity': strength.toFixed(2)}));
    }));
    const middle = left + cell * of.layers / 2;
    return pictured(caption, Math.max(left + cell * of.layers + 8, middle + 50), bottom + 36, ...shapes,
                    ...layerMarks(of, bottom + 14, (at) => left + cell * (at + 0.5), cell * of.layers / 26), written(middle, bottom + 31, 'middle', across));
  };

  /** The numbers of pictures, made when they are opened. */
  const numbersOf = (caption, head, rowsOf) => {
    const box = element('details', {}, element('summary', {}, `Numbers: ${caption}`));
    box.addEventListener('toggle', () => box.append(tableOf(caption, head, [['', rowsOf()]])), {once: true});
    return box;
  };
  /** Pictures by their heading, "" for none. */
  const part = (heading, text, groups, numbers) =>
    [element('h3', {}, heading), element('p', {}, text),
     ...groups.flatMap(([name, pictures]) => [...(name ? [element('h4', {dir: 'auto'}, name)] : []), element('div', {className: 'pictures'}, ...pictures)]), numbers];
  const inGroups = (list, nameOf, pictureOf) => {
    const groups = new Map();
    for (const item of list) groups.set(nameOf(item), [...(groups.get(nameOf(item)) || []), pictureOf(item)]);
    return [...groups];
  };
  const largest = (lists) => Math.max(0, ...lists.flat(3).filter((value) => value !== null).map(Math.abs));
  const leftOut = (what) => {
    const count = data.left_out?.[what];
    return count ? ` This page leaves out ${count} of them; study.h5 has all.` : '';
  };
  const seriesLabel = (series) => series.label + (series.set ? ` (${series.set})` : '');
  const ofFact = (found, fact) => (found ? found.series.filter((series) => fact in series.facts) : []);
  const placeName = (place) => ({last: 'last token', subject_last: 'subject\u2019s last token'})[place] || place.replaceAll('_', ' ');

  const tracingPart = (fact) => {
    const of = data.tracing;
    if (!of || !(fact in of.facts)) return [];
    const [clean, corrupted] = of.facts[fact];
    const names = of.places.map(placeName);
    const what = {state: 'Restoring the residual stream', mlp: 'Restoring MLPs', attention: 'Restoring attention'};
    const kinds = of.kinds.filter((kind) => fact in kind.facts);
    const effect = (kind) => kind.facts[fact].map((layers) => layers.map((value) => (value === null ? null : value - corrupted)));
    const text = `The first token of the true object has a probability of ${share(clean / 1000)}, and of ${share(corrupted / 1000)} behind a ` +
      `corrupted subject. Cells show how much of it comes back where a state is restored.${leftOut('tracing')}`;
    return part('Causal tracing', text,
      [['', kinds.map((kind) => cellsOver(`${what[kind.name] || kind.name}; strongest: ${(largest(effect(kind)) / 10).toFixed(1)} points`, of, names, effect(kind),
                                    largest(effect(kind)), 'layer'))]],
      numbersOf('Causal tracing', ['restored', 'place', 'layer', 'effect, points'], () => kinds.flatMap((kind) => effect(kind).flatMap((layers, place) =>
        layers.flatMap((value, at) => (value === null ? [] : [[kind.name, names[place], layerName(of.first + at), (value / 10).toFixed(1)]]))))));
  };

  const tracePart = (fact) => {
    const of = data.traces, all = ofFact(of, fact);
    if (all.length === 0) return [];
    const nats = (values) => values.map((value) => (value === null ? null : value / 100));
    const key = element('span', {className: 'key'}, element('span', {className: 'bar true'}), ' true object, whole line; ', element('span', {className: 'bar new'}), ' new object, dashes');
    const made = part('Logit lens', `log P [nats] of the first token of both objects after each layer.${leftOut('traces')} `,
      inGroups(all, (series) => placeName(series.place) + (series.set ? `; ${series.set}` : ''),
               (series) => linesOver(series.label, of, [[nats(series.facts[fact][0]), 'true'], [nats(series.facts[fact][1]), 'new']])),
      numbersOf('Logit lens', ['model', 'place', 'after layer', 'log P(true)', 'log P(new)', 'rank of true', 'rank of new'], () => all.flatMap((series) => {
        const [lpTrue, lpNew, rankTrue, rankNew] = series.facts[fact];
        return lpTrue.map((_, at) => [seriesLabel(series), placeName(series.place), layerName(of.first + at), scaled(lpTrue, at, 100, 2), scaled(lpNew, at, 100, 2),
                                      plain(rankTrue, at), plain(rankNew, at)]);
      })));
    made[1].append(key);
    return made;
  };

  const mapPart = (fact) => {
    const of = data.maps, all = ofFact(of, fact);
    if (all.length === 0) return [];
    const names = (series) => series.facts[fact][0].map((_, position) => `token ${position}`);
    const quantities = [['Distance to the unedited model', 100, 2], ['Log-odds of new over true, logit lens', 100, 2], ['Attention of the last token', 10, 1]];
    const groups = quantities.flatMap(([name, unit, digits], which) => {
      const shown = all.filter((series) => largest([series.facts[fact][which]]) > 0);
      const most = largest(shown.map((series) => series.facts[fact][which]));
      return inGroups(shown, (series) => `${name}${series.set ? `; ${series.set}` : ''}; strongest: ${(most / unit).toFixed(digits)}${which === 2 ? ' %' : ''}`,
                      (series) => cellsOver(series.label, of, names(series), series.facts[fact][which].map((layers) => layers.map((value) => (which === 1 && value !== null ? -value : value))), most, 'after layer'));
    });
    return part('Maps', `Every token of the prompt, from 0, after each layer. Log-odds are blue where the true object is likelier, orange where the new one is.${leftOut('maps')}`, groups,
      numbersOf('Maps', ['model', 'token', 'after layer', 'distance', 'log-odds of new over true', 'attention of the last token %'], () => all.flatMap((series) => {
        const [distance, odds, attention] = series.facts[fact];
        return distance.flatMap((layers, position) => layers.map((_, at) => [seriesLabel(series), String(position), layerName(of.first + at),
          scaled(layers, at, 100, 2), scaled(odds[position], at, 100, 2), scaled(attention[position], at, 10, 1)]));
      })));
  };

  /** Everything that is known of a fact, one part below the other. A further part goes into this list. */
  const factParts = [editTable, rewriteTable, otherTables, injectionTable, tracingPart, tracePart, mapPart];

  const factPage = (fact) => {
    const heading = element('h2', {id: 'fact-heading', tabIndex: -1, dir: 'auto'}, data.prompt[fact]);
    const facts = [['case', data.case[fact]], ['split', data.splits[data.split[fact]]], ['relation', data.relations[data.relation[fact]]],
                   ['subject', data.subject[fact]], ['true object', data.true[fact]], ['new object, which the edit states', data.new[fact]]];
    const description = element('dl');
    for (const [name, value] of facts) description.append(element('dt', {}, name), element('dd', {dir: 'auto'}, String(value)));
    const place = state.order.indexOf(fact);
    const steps = element('p', {className: 'steps'}, element('a', {href: '#facts'}, 'All facts'));
    if (place > 0) steps.append(element('a', {href: `#fact-${state.order[place - 1]}`}, 'Fact before'));
    if (place >= 0 && place + 1 < state.order.length) steps.append(element('a', {href: `#fact-${state.order[place + 1]}`}, 'Fact after'));
    view.replaceChildren(steps, heading, description, ...factParts.flatMap((part) => part(fact)));
  };

  const title = document.title;
  const route = () => {
    const found = /^#fact-(\d+)$/.exec(location.hash);
    const fact = found ? Number(found[1]) : NaN;
    const one = fact < count;
    const was = !view.hidden;
    document.body.classList.toggle('one-fact', one);
    view.hidden = !one;
    if (one) {
      factPage(fact);
      document.title = `${data.prompt[fact]} – ${title}`;
      window.scrollTo(0, 0);
      document.getElementById('fact-heading').focus();
    } else {
      document.title = title;
      if (was && location.hash) document.querySelector(CSS.escape ? `#${CSS.escape(location.hash.slice(1))}` : location.hash)?.scrollIntoView();
    }
  };
  window.addEventListener('hashchange', route);
  route();
})();
