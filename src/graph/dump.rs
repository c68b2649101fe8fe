//! Graphs as text: a list of nodes, and a drawing for Graphviz.

use std::collections::HashMap;
use std::fmt::Write;

use super::cgraph::Graph;
use super::op::Op;
use super::tensor::{MAX_SRC, TENSOR_FLAG_PARAM, Tensor};
use crate::quant::Type;

impl Graph {
    /// One line for each node and leaf.
    pub fn list(self) -> String {
        let mut s = format!("=== GRAPH ===\nn_nodes = {}\n", self.n_nodes());
        for (i, node) in self.nodes().iter().enumerate() {
            let t = *node;
            let [a, b, c, _] = t.ne();
            let mark = if t.flags() & TENSOR_FLAG_PARAM != 0 {
                "x"
            } else if t.grad().is_some() {
                "g"
            } else {
                " "
            };
            let op = op_name(t.op());
            // Writing to a string cannot fail.
            let _ = writeln!(s, " - {i:3}: [ {a:5}, {b:5}, {c:5}] {op:>16} {mark}");
        }
        let _ = writeln!(s, "n_leafs = {}", self.n_leafs());
        for (i, leaf) in self.leafs().iter().enumerate() {
            let t = *leaf;
            let [a, b, ..] = t.ne();
            let (op, name) = (op_name(t.op()), t.name());
            let _ = writeln!(s, " - {i:3}: [ {a:5}, {b:5}] {op:>8} {name:>16}");
        }
        s + "========================================\n"
    }

    /// A drawing in the language of Graphviz. Nodes that `forward` (if given) has too are green, others with gradient blue.
    pub fn dot(self, forward: Option<Graph>) -> String {
        let mut s = String::from("digraph G {\n  newrank = true;\n  rankdir = TB;\n");
        // The gradient of a drawn node is drawn as a part of it.
        let parents: HashMap<Tensor, Tensor> = self
            .nodes()
            .iter()
            .filter_map(|&n| Some((n.grad()?, n)))
            .collect();
        for (i, &node) in self.nodes().iter().enumerate() {
            if parents.contains_key(&node) {
                continue;
            }
            let color = if node.flags() & TENSOR_FLAG_PARAM != 0 {
                "yellow"
            } else if node.grad().is_none() {
                "white"
            } else if forward.is_some_and(|f| f.nodes().contains(&node)) {
                "green"
            } else {
                "lightblue"
            };
            let dims = if node.is_matrix() { 2 } else { 3 };
            let shape: Vec<String> = node.ne()[..dims].iter().map(i64::to_string).collect();
            let grad = match node.grad() {
                Some(g) => format!(" | <g>{}", symbol(g.op())),
                None => String::new(),
            };
            let _ = writeln!(
                s,
                "  \"{:p}\" [ style = filled; fillcolor = {color}; shape = record; label=\"{}|{i} [{}] | <x>{}{grad}\"; ]",
                node.as_ptr(),
                title(node),
                shape.join(", "),
                symbol(node.op())
            );
        }
        for (i, &leaf) in self.leafs().iter().enumerate() {
            let [a, b, ..] = leaf.ne();
            let _ = writeln!(
                s,
                "  \"{:p}\" [ style = filled; fillcolor = pink; shape = record; label=\"<x>{}|CONST {i} [{a}, {b}]{}\"; ]",
                leaf.as_ptr(),
                title(leaf),
                values(leaf)
            );
        }
        // An edge ends in the node that is drawn: the gradient's part of its parent.
        let end = |t: Tensor| match parents.get(&t) {
            Some(parent) => format!("\"{:p}\":g", parent.as_ptr()),
            None => format!("\"{:p}\":x", t.as_ptr()),
        };
        for &node in self.nodes().iter().chain(self.leafs()) {
            for i in 0..MAX_SRC {
                let Some(src) = node.src(i) else { continue };
                let style = if parents.contains_key(&node) || parents.contains_key(&src) {
                    ("empty", "dashed")
                } else {
                    ("vee", "solid")
                };
                let _ = writeln!(
                    s,
                    "  {} -> {} [ arrowhead = {}; style = {}; label = \"src {i}\"; ]",
                    end(src),
                    end(node),
                    style.0,
                    style.1
                );
            }
        }
        s + "}\n"
    }
}

fn op_name(op: Op) -> String {
    op.name().to_string_lossy().into_owned()
}

fn symbol(op: Op) -> String {
    op.symbol().to_string_lossy().into_owned()
}

fn title(t: Tensor) -> String {
    let ty = t.ty().info().map_or("?", |i| i.name);
    match t.name() {
        name if name.is_empty() => format!("({ty})"),
        name => format!("{name} ({ty})"),
    }
}

/// The values of a small leaf.
fn values(t: Tensor) -> String {
    let n = t.nelements();
    if n >= 5 || t.data().is_null() {
        return String::new();
    }
    let integer = matches!(t.ty(), Type::I8 | Type::I16 | Type::I32 | Type::I64);
    let values: Vec<String> = (0..n)
        .map(|i| match t.get(t.unravel(i)) {
            Ok(v) if integer => format!("{v}"),
            Ok(v) => format!("{v:.1e}"),
            Err(_) => "#".into(),
        })
        .collect();
    format!(" | ({})", values.join(", "))
}
