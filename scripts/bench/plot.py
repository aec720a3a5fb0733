"""Throughput over the number of clients as SVG: puts and gets, all axes logarithmic."""

import math

from tables import TITLES, Rates

WIDTH, HEIGHT = 430, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 34, 46
LABELS_X = [215, 265, 305]  # beside the title
COLOURS = {"synod": "#0b6e4f", "etcd": "#c1440e", "redis": "#51658d"}
STYLE = (
    "text{font:12px sans-serif;fill:#444}.title{font-size:14px;font-weight:bold}"
    ".grid{stroke:#ddd}.axis{stroke:#888;fill:none}"
)


def _decades(values):
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


class Panel:
    def __init__(self, x_offset, clients, values):
        self.x_offset = x_offset
        self.clients = clients
        self.x_low, self.x_high = math.log10(min(clients)), math.log10(max(max(clients), 2 * min(clients)))
        self.y_low, self.y_high = _decades(values)
        self.parts = []

    def x(self, value):
        share = (math.log10(value) - self.x_low) / (self.x_high - self.x_low)
        return self.x_offset + LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        share = (math.log10(value) - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def add(self, text):
        self.parts.append(text)

    def axes(self, title):
        left, right = self.x_offset + LEFT, self.x_offset + WIDTH - RIGHT
        self.add(f'<text class="title" x="{left}" y="20">{title}</text>')
        for exponent in range(self.y_low, self.y_high + 1):
            y = self.y(10**exponent)
            label = f"{10 ** exponent:,}".replace(",", " ")
            self.add(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self.add(f'<text text-anchor="end" x="{left - 6}" y="{y + 4:.1f}">{label}</text>')
        for clients in self.clients:
            self.add(
                f'<text text-anchor="middle" x="{self.x(clients):.1f}" y="{HEIGHT - BOTTOM + 18}">'
                f"{clients}</text>"
            )
        self.add(f'<text text-anchor="middle" x="{(left + right) / 2}" y="{HEIGHT - 8}">clients</text>')
        self.add(f'<path class="axis" d="M{left} {TOP}V{HEIGHT - BOTTOM}H{right}"/>')

    def line(self, points, colour, name, label_x):
        path = "L".join(f"{self.x(c):.1f} {self.y(v):.1f}" for c, v in points)
        self.add(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for c, v in points:
            self.add(f'<circle cx="{self.x(c):.1f}" cy="{self.y(v):.1f}" r="3" fill="{colour}"/>')
        self.add(f'<text x="{self.x_offset + label_x}" y="20" style="fill:{colour}">{name}</text>')


def throughput(results):
    rates = Rates(results)
    parts = []
    for number, (workload, title) in enumerate((("put", "puts/s, synced"), ("get", "linearizable gets/s"))):
        clients = rates.clients(workload)
        lines = {
            s: [(c, rates.median(workload, c, s, "ops_per_s")) for c in clients] for s in rates.systems
        }
        panel = Panel(number * WIDTH, clients, [v for points in lines.values() for _, v in points])
        panel.axes(title)
        for i, (system, points) in enumerate(lines.items()):
            panel.line(points, COLOURS[system], TITLES[system], LABELS_X[i])
        parts += panel.parts
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {2 * WIDTH} {HEIGHT}">\n<style>{STYLE}</style>\n'
        f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
