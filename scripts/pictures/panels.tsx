// The panels of one dashboard, laid out by gridPos. Grafana's own components draw stat, table, bargauge and timeseries,
// and the frame, colours, units and legends of all; state-timeline and piechart, which Grafana does not publish, are drawn here.
import {
  DataFrame, Field, FieldType, VizOrientation, dateTime, getDisplayValueAlignmentFactors, getFieldDisplayName,
  getFieldDisplayValues,
} from '@grafana/data';
import {
  BarGauge, BigValue, BigValueTextMode, GlobalStyles, LegendDisplayMode, PanelChrome, Table, ThemeContext, TimeSeries,
  VizLegend, VizRepeater,
} from '@grafana/ui';
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import 'uplot/dist/uPlot.min.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { framesOf, theme } from './frames';

(window as any).__grafana_public_path__ = 'public/';
interface Size { width: number; height: number }
interface Drawn extends Size { panel: any; frames: DataFrame[]; from: number; to: number; step: number }

const values = ({ panel, frames }: Drawn) => getFieldDisplayValues({
  fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: (text) => text, theme,
  data: frames, sparkline: panel.options.graphMode === 'area', timeZone: 'utc' });

function Stat(drawn: Drawn) {
  const { panel, width, height } = drawn;
  return <VizRepeater autoGrid width={width} height={height} source={panel} renderCounter={0} itemSpacing={3}
    orientation={panel.options.orientation} getValues={() => values(drawn)}
    getAlignmentFactors={getDisplayValueAlignmentFactors}
    renderValue={({ value, width, height, count, alignmentFactors }: any) =>
      <BigValue value={value.display} count={count} width={width} height={height} theme={theme}
        alignmentFactors={alignmentFactors} colorMode={panel.options.colorMode} graphMode={panel.options.graphMode} text={panel.options.text}
        justifyMode={panel.options.justifyMode} textMode={panel.options.textMode ?? BigValueTextMode.Auto} />} />;
}

function Bars(drawn: Drawn) {
  const { panel, width, height } = drawn;
  return <VizRepeater width={width} height={height} source={panel} renderCounter={0} itemSpacing={10}
    orientation={VizOrientation.Horizontal} minVizHeight={panel.options.minVizHeight} maxVizHeight={300}
    getValues={() => values(drawn)}
    getAlignmentFactors={getDisplayValueAlignmentFactors}
    renderValue={({ value, width, height, orientation, alignmentFactors }: any) =>
      <BarGauge value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
        width={width} height={height} theme={theme} orientation={orientation} alignmentFactors={alignmentFactors}
        displayMode={panel.options.displayMode} showUnfilled={panel.options.showUnfilled}
        valueDisplayMode={panel.options.valueMode} namePlacement={panel.options.namePlacement}
        text={panel.options.text} />} />;
}

function Rows({ panel, frames, width, height }: Drawn) {
  return <Table data={frames[0]} width={width} height={height} cellHeight={panel.options.cellHeight}
    initialSortBy={panel.options.sortBy} noHeader={!panel.options.showHeader} />;
}

function Lines({ panel, frames, width, height, from, to }: Drawn) {
  const range = { from: dateTime(from * 1000), to: dateTime(to * 1000) };
  return <TimeSeries frames={frames} width={width} height={height} timeZone="utc" legend={panel.options.legend}
    timeRange={{ ...range, raw: range }} />;
}

/** Name and values of each series; Grafana orders them as they came. */
const series = (frames: DataFrame[]) => frames.map((frame) => ({
  name: getFieldDisplayName(frame.fields[1], frame, frames), times: frame.fields[0].values as number[],
  field: frame.fields[1] as Field }));

function Legend({ items }: { items: Map<string, string> }) {
  return <VizLegend placement="bottom" displayMode={LegendDisplayMode.List}
    items={[...items].map(([label, color]) => ({ label, color, yAxis: 1 }))} />;
}

/** As Grafana's state-timeline: a row a series, its states as bars from a sample to the next one. */
function States({ panel, frames, width, height, from, to, step }: Drawn) {
  const rows = series(frames);
  const legend = new Map<string, string>();
  const left = Math.min(width / 2, 16 + 7.6 * Math.max(...rows.map((row) => row.name.length)));
  const below = 50;
  const band = (height - below) / rows.length;
  const x = (time: number) => left + ((time / 1000 - from) / (to - from)) * (width - left - 8);
  const spaces = Math.max(2, Math.min(6, Math.floor((width - left) / 90)));
  const ticks = Array.from({ length: spaces + 1 }, (_, at) => from + ((to - from) * at) / spaces);
  const bars = rows.flatMap((row, at) => {
    const found: any[] = [];
    row.times.forEach((time, sample) => {
      const shown = row.field.display!(row.field.values[sample]);
      legend.set(shown.text, shown.color!);
      const last = found[found.length - 1];
      if (last && last.text === shown.text && time - last.to < 10) last.to = time + step * 1000;
      else found.push({ row: at, text: shown.text, color: shown.color, from: time, to: time + step * 1000 });
    });
    return found;
  });
  return <div style={{ width, height }}>
    <svg width={width} height={height - below + 22} fontSize={12} fontFamily={theme.typography.fontFamily}>
      {ticks.map((time) => <g key={time}>
        <line x1={x(time * 1000)} x2={x(time * 1000)} y1={0} y2={height - below} stroke="rgba(240,250,255,0.09)" />
        <text x={x(time * 1000)} y={height - below + 16} fill={theme.colors.text.primary}
          textAnchor={time === to ? 'end' : 'middle'}>{dateTime(time * 1000).utc().format('HH:mm:ss')}</text>
      </g>)}
      {rows.map((row, at) => <text key={at} x={left - 8} y={(at + 0.5) * band + 4} textAnchor="end"
        fill={theme.colors.text.primary}>{row.name}</text>)}
      {bars.map((bar, at) => {
        const start = x(bar.from), wide = Math.min(x(bar.to), x(to * 1000)) - start;
        const shows = panel.options.showValue !== 'never' && wide > 9 * bar.text.length;
        return <g key={at}>
          <rect x={start} width={wide} y={bar.row * band + (band * (1 - panel.options.rowHeight)) / 2} fill={bar.color}
            height={band * panel.options.rowHeight} fillOpacity={panel.fieldConfig.defaults.custom.fillOpacity / 100} />
          {shows && <text x={start + wide / 2} y={(bar.row + 0.5) * band + 4} textAnchor="middle"
            fill={theme.colors.getContrastText(bar.color)}>{bar.text}</text>}
        </g>;
      })}
    </svg>
    <Legend items={legend} />
  </div>;
}

function Pie(drawn: Drawn) {
  const all = values(drawn).filter((one) => one.display.numeric > 0);
  const sum = all.reduce((total, one) => total + one.display.numeric, 0);
  const size = Math.min(drawn.width, drawn.height - 36), outer = size / 2 - 4, inner = outer * 0.6;
  let turned = 0;
  const at = (turn: number, radius: number) =>
    `${size / 2 + radius * Math.sin(2 * Math.PI * turn)} ${size / 2 - radius * Math.cos(2 * Math.PI * turn)}`;
  return <div style={{ width: drawn.width, textAlign: 'center' }}>
    <svg width={size} height={size} fontSize={14} fontFamily={theme.typography.fontFamily}>
      {all.map((one) => {
        const share = Math.min(one.display.numeric / sum, 0.9999), begun = turned;
        turned += share;
        const far = share > 0.5 ? 1 : 0, [labelX, labelY] = at(begun + share / 2, (inner + outer) / 2).split(' ');
        return <g key={one.display.title}>
          <path fill={one.display.color} stroke={theme.colors.background.primary} d={`M ${at(begun, outer)}
            A ${outer} ${outer} 0 ${far} 1 ${at(turned, outer)} L ${at(turned, inner)} A ${inner} ${inner} 0 ${far} 0 ${at(begun, inner)} Z`} />
          <text x={labelX} y={+labelY + 5} textAnchor="middle" fill={theme.colors.getContrastText(one.display.color!)}>
            {one.display.text}</text>
        </g>;
      })}
    </svg>
    <Legend items={new Map(values(drawn).map((one) => [one.display.title!, one.display.color!]))} />
  </div>;
}

const kinds: Record<string, React.FC<Drawn>> = {
  stat: Stat, bargauge: Bars, table: Rows, timeseries: Lines, 'state-timeline': States, piechart: Pie };

/** As Grafana does: without data there is the panel's own text; a stat shows it as its value. */
function Inside(drawn: Drawn) {
  const empty = drawn.frames.every((frame) => frame.length === 0 || !frame.fields.some((one) => one.type !== FieldType.time));
  if (empty && drawn.panel.type !== 'stat') {
    return <div style={{ height: drawn.height, display: 'flex', alignItems: 'center', justifyContent: 'center',
      color: theme.colors.text.secondary }}>{drawn.panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
  }
  const Kind = kinds[drawn.panel.type];
  return <Kind {...drawn} />;
}

async function draw() {
  const name = location.hash.slice(1);
  const { dashboard, answers, from, to, step } = await (await fetch(`${name}.json`)).json();
  await Promise.all(['12px Inter', '500 14px Inter'].map((font) => document.fonts.load(font)));
  const wide = document.body.clientWidth - 16;
  const place = ({ x, y, w, h }: any) => ({ position: 'absolute' as const, left: 8 + (x * (wide + 8)) / 24, top: 8 + y * 38,
    width: (w * (wide + 8)) / 24 - 8, height: h * 38 - 8 });
  const panels = await Promise.all(dashboard.panels.filter((one: any) => one.type !== 'row').map(async (panel: any) =>
    ({ panel, frames: await framesOf(panel, answers[panel.id], step) })));
  const rows = dashboard.panels.filter((one: any) => one.type === 'row');
  const bottom = Math.max(...dashboard.panels.map((one: any) => one.gridPos.y + one.gridPos.h));
  document.body.style.height = `${bottom * 38 + 8}px`;
  createRoot(document.getElementById('dashboard')!).render(<ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {rows.map((row: any) => <div key={row.id} style={{ ...place(row.gridPos), fontSize: 16, fontWeight: 500,
      color: theme.colors.text.primary, lineHeight: '30px' }}>{row.title}</div>)}
    {panels.map(({ panel, frames }) => {
      const box = place(panel.gridPos);
      return <div key={panel.id} className="panel" style={box}>
        <PanelChrome title={panel.title} width={box.width} height={box.height}>
          {(width, height) => <Inside {...{ panel, frames, width, height, from, to, step }} />}
        </PanelChrome>
      </div>;
    })}
  </ThemeContext.Provider>);
}

const complain = (error: any) => { document.body.dataset.error = String(error?.stack ?? error); };
window.addEventListener('error', (event) => complain(event.error));
draw().catch(complain);
