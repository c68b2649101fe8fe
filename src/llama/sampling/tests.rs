use super::*;

/// Candidates with these logits, numbered in order.
fn data(logits: &[f32]) -> Vec<llama_token_data> {
    let candidate = |(id, &logit)| llama_token_data {
        id: id as i32,
        logit,
        p: 0.0,
    };
    logits.iter().enumerate().map(candidate).collect()
}

/// The ids that a filter leaves, in order.
fn left(probabilities: &[f32], filter: impl FnOnce(&mut Candidates)) -> Vec<llama_token> {
    let logits: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
    let mut data = data(&logits);
    let mut candidates = Candidates::new(&mut data, false);
    filter(&mut candidates);
    candidates.data.iter().map(|c| c.id).collect()
}

const P: [f32; 5] = [0.1, 0.4, 0.05, 0.15, 0.3];

#[test]
fn filters_keep_the_right_candidates() {
    assert_eq!(left(&P, |c| c.top_k(2, 1)), [1, 4]);
    assert_eq!(left(&P, |c| c.top_k(0, 1)), [1, 4, 3, 0, 2]);
    assert_eq!(left(&P, |c| c.top_k(1, 3)), [1, 4, 3]);
    assert_eq!(left(&P, |c| c.top_p(0.6, 1)), [1, 4]);
    assert_eq!(left(&P, |c| c.top_p(0.6, 4)), [1, 4, 3, 0]);
    assert_eq!(left(&P, |c| c.min_p(0.3, 1)), [1, 3, 4]);
    assert_eq!(left(&P, |c| c.min_p(0.7, 3)), [1, 4, 3]);
    assert_eq!(
        left(&P, |c| c.xtc(1.0, 0.2, 1, &mut Sampler::new(1))),
        [4, 3, 0, 2]
    );
    assert_eq!(
        left(&P, |c| c.xtc(1.0, 0.5, 1, &mut Sampler::new(1))),
        [1, 4, 3, 0, 2]
    );
}

#[test]
fn filters_stand_empty_input() {
    let mut none = [];
    let mut c = Candidates::new(&mut none, false);
    c.softmax(true);
    c.top_k(5, 1);
    c.top_p(0.5, 1);
    c.min_p(0.5, 1);
    c.typical(0.5, 1);
    c.tail_free(0.5, 1);
    c.entropy(0.5, 1.0, 1.0);
    c.top_n_sigma(1.0);
    assert_eq!(greedy(&c), -1);
    assert_eq!(Sampler::new(0).pick(&c), -1);
}

#[test]
fn softmax_sorts_and_adds_up_to_one() {
    let mut data = data(&[1.0, 3.0, 2.0]);
    let mut c = Candidates::new(&mut data, false);
    c.softmax(true);
    assert!(c.sorted);
    assert_eq!(c.data.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 2, 0]);
    assert!((c.data.iter().map(|c| c.p).sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn penalties_lower_repeated_tokens() {
    let mut data = data(&[2.0, -2.0, 1.0]);
    let mut c = Candidates::new(&mut data, true);
    c.penalties(&[0, 0, 1], 2.0, 0.25, 0.5);
    let logits: Vec<f32> = c.data.iter().map(|c| c.logit).collect();
    assert_eq!((logits, c.sorted), (vec![0.0, -4.75, 1.0], false));
}

#[test]
fn picks_follow_the_probabilities() {
    let mut data = data(&P.map(f32::ln));
    let c = Candidates::new(&mut data, false);
    let mut sampler = Sampler::new(42);
    let mut counts = [0; 5];
    for _ in 0..20000 {
        counts[sampler.pick(&c) as usize] += 1;
    }
    for (n, p) in counts.iter().zip(P) {
        assert!((*n as f32 / 20000.0 - p).abs() < 0.015, "{counts:?}");
    }
}
