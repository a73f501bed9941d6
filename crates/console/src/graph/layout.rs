//! Where the steps of a definition are drawn. The definition alone decides: what a saga does moves no step.
//!
//! After Sugiyama, Tagawa and Toda ("Methods for Visual Understanding of Hierarchical System Structures", 1981): a step's layer is the
//! longest way to it; an edge over several layers passes each of them at a place of its own; four sweeps put each place at the mean of
//! its neighbours in the layer before or behind, and the order with the fewest crossings stays. Equal means leave the file's order.

use saga_core::definition::{Graph, StepSet};

/// Sweeps over the layers, forward and back in turn.
const SWEEPS: usize = 4;
/// Pixels between the rows of steps.
pub(super) const ROW: f64 = 76.0;
/// Pixels between an edge that passes and its neighbours.
const PASS: f64 = 22.0;
/// A step's height in pixels.
pub(super) const HEIGHT: f64 = 52.0;
/// Pixels around everything.
const MARGIN: f64 = 2.0;
/// Pixels that a page has for a graph without scrolling.
const FITS: f64 = 1180.0;

/// The places of all steps, and the edges between them, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Each step's layer, and the middle of its left side, in the order of the file.
    pub steps: Vec<StepPlace>,
    /// The edges, without those that follow from others.
    pub edges: Vec<Edge>,
    /// A step's width.
    pub step_width: f64,
    /// Of the whole.
    pub width: f64,
    /// Of the whole.
    pub height: f64,
}

/// A step's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepPlace {
    /// Its layer, from the left.
    pub layer: usize,
    /// Of its left side.
    pub x: f64,
    /// Of its middle.
    pub y: f64,
}

/// An edge: a step, and one that waits for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// The step that is waited for.
    pub from: usize,
    /// The step that waits.
    pub to: usize,
    /// The layers that it passes: where it comes in, and where it goes out, at the same height.
    pub passes: Vec<(f64, f64, f64)>,
}

/// A place in a layer: a step, or an edge that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Step(usize),
    Edge(usize),
}

impl Layout {
    /// The layout of a definition's graph.
    pub fn of(graph: &Graph) -> Self {
        let layers = layers(graph);
        let pairs = edges(graph);
        let ordered = ordered(&layers, &pairs);
        place(graph.len(), &layers, &pairs, &ordered)
    }

    /// The steps from left to right, and from top to bottom.
    pub fn reading_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.steps.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&self.steps[*a], &self.steps[*b]);
            a.layer.cmp(&b.layer).then(a.y.total_cmp(&b.y))
        });
        order
    }
}

/// The longest way to each step.
fn layers(graph: &Graph) -> Vec<usize> {
    let mut layers: Vec<usize> = Vec::with_capacity(graph.len());
    for step in 0..graph.len() {
        let before = graph.after(step).iter().map(|before| layers[before] + 1).max();
        layers.push(before.unwrap_or(0));
    }
    layers
}

/// Each step with those that it waits for, but for those that another of them waits for anyway.
fn edges(graph: &Graph) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    for to in 0..graph.len() {
        let direct = graph.after(to);
        let implied = direct.iter().map(|step| graph.before(step)).fold(StepSet::NONE, StepSet::with);
        edges.extend(direct.iter().filter(|from| !implied.contains(*from)).map(|from| (from, to)));
    }
    edges
}

/// The places of each layer, from top to bottom.
fn ordered(layers: &[usize], edges: &[(usize, usize)]) -> Vec<Vec<Taken>> {
    let mut order: Vec<Vec<Taken>> = vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
    for (step, layer) in layers.iter().enumerate() {
        order[*layer].push(Taken::Step(step));
    }
    for (edge, (from, to)) in edges.iter().enumerate() {
        for layer in &mut order[layers[*from] + 1..layers[*to]] {
            layer.push(Taken::Edge(edge));
        }
    }
    let mut best = (crossings(layers, edges, &order), order.clone());
    for sweep in 0..SWEEPS {
        let is_forward = sweep % 2 == 0;
        let mut turns: Vec<usize> = (0..order.len()).collect();
        if !is_forward {
            turns.reverse();
        }
        for pair in turns.windows(2) {
            let means = means(layers, edges, &order, pair[0], pair[1]);
            let mut places: Vec<(f64, Taken)> = means.into_iter().zip(order[pair[1]].clone()).collect();
            places.sort_by(|a, b| a.0.total_cmp(&b.0));
            order[pair[1]] = places.into_iter().map(|(_, taken)| taken).collect();
        }
        let crossed = crossings(layers, edges, &order);
        if crossed < best.0 {
            best = (crossed, order.clone());
        }
    }
    best.1
}

/// The place of an edge's end in a layer.
fn end_in(layers: &[usize], edges: &[(usize, usize)], edge: usize, layer: usize) -> Option<Taken> {
    let (from, to) = edges[edge];
    match layer {
        _ if layers[from] == layer => Some(Taken::Step(from)),
        _ if layers[to] == layer => Some(Taken::Step(to)),
        _ if layers[from] < layer && layer < layers[to] => Some(Taken::Edge(edge)),
        _ => None,
    }
}

/// The parts of all edges between two layers that are beside each other, by their places there.
fn parts(
    layers: &[usize],
    edges: &[(usize, usize)],
    order: &[Vec<Taken>],
    a: usize,
    b: usize,
) -> Vec<(usize, usize)> {
    let place = |layer: usize, taken: Taken| order[layer].iter().position(|other| *other == taken);
    let part = |edge: usize| {
        let (in_a, in_b) = (end_in(layers, edges, edge, a)?, end_in(layers, edges, edge, b)?);
        Some((place(a, in_a)?, place(b, in_b)?))
    };
    (0..edges.len()).filter_map(part).collect()
}

/// For each place of the layer `b`, the mean of its neighbours' places in the layer `a`; its own where it has none.
fn means(layers: &[usize], edges: &[(usize, usize)], order: &[Vec<Taken>], a: usize, b: usize) -> Vec<f64> {
    // Measured from the middle, so that a place without neighbours keeps its share of a layer of another size.
    let (size_a, size_b) = (order[a].len() as f64, order[b].len() as f64);
    let mut sums = vec![(0.0, 0_u32); order[b].len()];
    for (in_a, in_b) in parts(layers, edges, order, a, b) {
        sums[in_b].0 += in_a as f64 - (size_a - 1.0) / 2.0;
        sums[in_b].1 += 1;
    }
    let mean = |(place, (sum, count)): (usize, &(f64, u32))| match count {
        0 => place as f64 - (size_b - 1.0) / 2.0,
        _ => sum / f64::from(*count),
    };
    sums.iter().enumerate().map(mean).collect()
}

/// How often edges cross.
fn crossings(layers: &[usize], edges: &[(usize, usize)], order: &[Vec<Taken>]) -> usize {
    let mut crossed = 0;
    for layer in 1..order.len() {
        let parts = parts(layers, edges, order, layer - 1, layer);
        for (index, one) in parts.iter().enumerate() {
            let crosses = |other: &&(usize, usize)| {
                (one.0 < other.0 && one.1 > other.1) || (one.0 > other.0 && one.1 < other.1)
            };
            crossed += parts[index + 1..].iter().filter(crosses).count();
        }
    }
    crossed
}

fn place(steps: usize, layers: &[usize], pairs: &[(usize, usize)], order: &[Vec<Taken>]) -> Layout {
    let columns = order.len();
    let step_width = if columns <= 5 { 186.0 } else { 160.0 };
    let left_over = FITS - columns as f64 * step_width;
    let gap = if columns > 1 { (left_over / (columns - 1) as f64).clamp(44.0, 72.0) } else { 0.0 };
    let room = |taken: &Taken| if matches!(taken, Taken::Step(_)) { ROW } else { PASS };
    let tall = |layer: &Vec<Taken>| layer.iter().map(room).sum::<f64>();
    let height = order.iter().map(tall).fold(ROW, f64::max) - (ROW - HEIGHT) + 2.0 * MARGIN;
    let mut places = vec![StepPlace { layer: 0, x: 0.0, y: 0.0 }; steps];
    let mut drawn: Vec<Edge> =
        pairs.iter().map(|(from, to)| Edge { from: *from, to: *to, passes: Vec::new() }).collect();
    for (layer, taken) in order.iter().enumerate() {
        let x = MARGIN + layer as f64 * (step_width + gap);
        let mut y = (height - tall(taken)) / 2.0;
        for one in taken {
            let middle = y + room(one) / 2.0;
            y += room(one);
            match one {
                Taken::Step(step) => places[*step] = StepPlace { layer: layers[*step], x, y: middle },
                Taken::Edge(edge) => drawn[*edge].passes.push((x, x + step_width, middle)),
            }
        }
    }
    let width = 2.0 * MARGIN + columns as f64 * step_width + columns.saturating_sub(1) as f64 * gap;
    Layout { steps: places, edges: drawn, step_width, width, height }
}

#[cfg(test)]
mod tests {
    use saga_testkit::dice::Dice;

    use super::*;

    /// A graph of so many steps, each of which waits for some of those above it.
    fn drawn_by_chance(dice: &Dice, steps: usize) -> Graph {
        let per_mille = dice.one(&[15, 60, 250, 900]);
        let after = |step: usize| (0..step).filter(|_| dice.chance(per_mille)).collect();
        Graph::new((0..steps).map(after).collect())
    }

    #[test]
    fn steps_do_not_overlap_and_edges_go_to_the_right() {
        let dice = Dice::new(20_261_125);
        for _ in 0..150 {
            let steps = 1 + dice.below(64);
            let graph = drawn_by_chance(&dice, steps);
            let layout = Layout::of(&graph);
            assert_eq!(layout, Layout::of(&graph), "the same graph has the same layout");
            for (index, one) in layout.steps.iter().enumerate() {
                assert!(one.x >= 0.0 && one.x + layout.step_width <= layout.width, "{one:?}");
                assert!(
                    one.y - HEIGHT / 2.0 >= 0.0 && one.y + HEIGHT / 2.0 <= layout.height,
                    "{one:?} {}",
                    layout.height
                );
                for other in &layout.steps[index + 1..] {
                    let beside = (one.x - other.x).abs() >= layout.step_width;
                    assert!(beside || (one.y - other.y).abs() >= HEIGHT, "{one:?} {other:?}");
                }
            }
            for edge in &layout.edges {
                let mut right = layout.steps[edge.from].x + layout.step_width;
                for (left, end, _) in &edge.passes {
                    assert!(*left > right && end > left, "{edge:?}");
                    right = *end;
                }
                assert!(layout.steps[edge.to].x > right, "{edge:?}");
            }
            let order = layout.reading_order();
            for (to, place) in order.iter().enumerate() {
                assert!(order[to..].iter().all(|later| !graph.before(*place).contains(*later)));
            }
        }
    }

    #[test]
    fn an_edge_that_follows_from_others_is_not_drawn() {
        let set = |steps: &[usize]| steps.iter().copied().collect();
        let layout = Layout::of(&Graph::new(vec![set(&[]), set(&[0]), set(&[0, 1])]));
        let edges: Vec<(usize, usize)> = layout.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        assert_eq!(edges, [(0, 1), (1, 2)]);
    }

    #[test]
    fn crossings_are_taken_away_and_ties_keep_the_file_s_order() {
        let set = |steps: &[usize]| steps.iter().copied().collect();
        // `c` waits for `b`, and `d` for `a`: in the file's order, their edges would cross.
        let layout = Layout::of(&Graph::new(vec![set(&[]), set(&[]), set(&[1]), set(&[0])]));
        assert!(layout.steps[0].y < layout.steps[1].y);
        assert!(layout.steps[3].y < layout.steps[2].y);
    }
}
