use tokio::sync::oneshot;

use super::*;
use crate::{answering::answerer::Usage, lifecycle::Lifecycle};

fn draft(text: &str) -> Draft {
    Draft::test(text)
}

fn text(part: &str) -> Part {
    Part::Token(part.into())
}

/// Work that does what a test tells it.
struct Work {
    parts: mpsc::Sender<Part>,
    end: oneshot::Sender<Result<Draft>>,
}

/// Begins to fly; the task ends when the work has, and tells whether it arrived.
fn take_off(life: &Lifecycle, pilot: Pilot) -> (Work, tokio::task::JoinHandle<Option<bool>>) {
    let (parts, told) = mpsc::channel(4);
    let (end, ended) = oneshot::channel::<Result<Draft>>();
    let made = async move { ended.await.unwrap_or_else(|_| Err(Error::not_found("end"))) };
    let task = life.spawn(async move { pilot.fly(made, told, |_| {}).await.is_some() });
    (Work { parts, end }, task)
}

fn key(n: u128) -> Key {
    Key::test(n)
}

fn error() -> Error {
    Error::unavailable("provider_broke_off", "broke off", std::io::Error::other("cable"))
}

#[tokio::test]
async fn all_hear_the_same_from_the_beginning_and_one_has_paid() {
    let (life, flights) = (Lifecycle::new(), Flights::default());
    let (first, pilot) = flights.board(&key(1)).unwrap();
    let (work, _task) = take_off(&life, pilot.unwrap());
    work.parts.send(text("Two ")).await.unwrap();
    let (ear, mut hears) = mpsc::channel(8);
    let riding = tokio::join!(
        async {
            let (late, pilot) = flights.board(&key(1)).unwrap();
            assert!(pilot.is_none(), "there is one");
            late.ride(Some(&ear)).await.ok().unwrap()
        },
        async { first.ride(None).await.ok().unwrap() },
        async {
            assert_eq!(
                hears.recv().await,
                Some(text("Two ")),
                "what was said before is told at once"
            );
            work.parts.send(text("days.")).await.unwrap();
            assert_eq!(hears.recv().await, Some(text("days.")));
            assert!(work.end.send(Ok(draft("Two days."))).is_ok());
        }
    );
    let answers = [riding.0, riding.1];
    assert!(answers.iter().all(|answer| answer.written.text == "Two days."));
    let paid = answers.iter().filter(|answer| answer.written.usage != Usage::default());
    assert_eq!(paid.count(), 1);
    assert_eq!(answers.iter().filter(|a| a.cached == Some("flight")).count(), 1);
    assert_eq!(flights.aloft(), 0);
}

#[tokio::test]
async fn whoever_leaves_leaves_the_work_to_the_others_and_the_last_one_ends_it() {
    let (life, flights) = (Lifecycle::new(), Flights::default());
    let (first, pilot) = flights.board(&key(1)).unwrap();
    let (work, task) = take_off(&life, pilot.unwrap());
    let (second, _) = flights.board(&key(1)).unwrap();
    drop(first);
    assert!(!work.end.is_closed(), "somebody waits");
    assert_eq!(flights.aloft(), 1);
    drop(second);
    assert_eq!(task.await.unwrap(), Some(false));
    assert!(work.end.is_closed(), "the work is dropped");
    assert_eq!(flights.aloft(), 0);
    let (_, pilot) = flights.board(&key(1)).unwrap();
    assert!(pilot.is_some(), "whoever comes next begins anew");
}

#[tokio::test]
async fn the_first_one_may_leave_and_the_next_one_takes_the_answer_as_its_own() {
    let (life, flights) = (Lifecycle::new(), Flights::default());
    let (first, pilot) = flights.board(&key(1)).unwrap();
    let (work, _task) = take_off(&life, pilot.unwrap());
    let (second, _) = flights.board(&key(1)).unwrap();
    drop(first);
    assert!(work.end.send(Ok(draft("Yes."))).is_ok());
    let answer = second.ride(None).await.ok().unwrap();
    assert_eq!((answer.cached, answer.written.usage.tokens_in), (None, 10));
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_clears_the_way() {
    let (life, flights) = (Lifecycle::new(), Flights::default());
    let (first, pilot) = flights.board(&key(1)).unwrap();
    let (work, _task) = take_off(&life, pilot.unwrap());
    let (second, _) = flights.board(&key(1)).unwrap();
    work.parts.send(text("Two")).await.unwrap();
    assert!(work.end.send(Err(error())).is_ok());
    let (ear, _hears) = mpsc::channel(8);
    let told = second.ride(Some(&ear)).await.err().unwrap();
    assert!(told.heard);
    assert_eq!(told.error.code(), "provider_broke_off");
    assert_eq!(told.error.story(), "broke off: cable");
    let silent = first.ride(None).await.err().unwrap();
    assert!(!silent.heard, "who listens to nothing has heard nothing");
    assert!(flights.board(&key(1)).unwrap().1.is_some());
}

#[tokio::test]
async fn a_task_that_is_cut_off_hangs_nobody() {
    let (life, flights) = (Lifecycle::new(), Flights::default());
    let (seat, pilot) = flights.board(&key(1)).unwrap();
    let (work, _task) = take_off(&life, pilot.unwrap());
    life.kill();
    assert_eq!(seat.ride(None).await.err().unwrap().error.code(), "stopping");
    assert_eq!(flights.aloft(), 0);
    drop(work);

    let (seat, pilot) = flights.board(&key(1)).unwrap();
    let (_work, _task) = take_off(&life, pilot.unwrap());
    assert_eq!(seat.ride(None).await.err().unwrap().error.code(), "stopping");
}

#[tokio::test]
async fn flights_have_so_many_seats_and_do_not_know_each_other() {
    let flights = Flights::default();
    let mut seats: Vec<_> = (0..SEATS).map(|_| flights.board(&key(1)).unwrap()).collect();
    let full = flights.board(&key(1)).map(drop).unwrap_err();
    assert_eq!(full.code(), "busy");
    assert!(flights.board(&key(2)).is_ok_and(|(_, pilot)| pilot.is_some()));
    seats.pop();
    assert!(flights.board(&key(1)).is_ok());
}

#[tokio::test]
async fn a_long_answer_that_has_landed_is_held_once_and_slow_readers_hear_all_of_it() {
    let (life, flights) = (Lifecycle::new(), Flights::default());
    let (first, pilot) = flights.board(&key(1)).unwrap();
    let (work, task) = take_off(&life, pilot.unwrap());
    let said: Vec<String> = (0..300).map(|n| format!("Sentence {n} is ß long enough. ")).collect();
    let (ear, mut hears) = mpsc::channel(1);
    let flight = first.heard.clone();
    let riding = life.spawn(async move { first.ride(Some(&ear)).await.ok().unwrap() });
    let mut listened = String::new();
    for (n, sentence) in said.iter().enumerate() {
        work.parts.send(text(sentence)).await.unwrap();
        if n == 20 {
            let Part::Token(first) = hears.recv().await.unwrap();
            listened.push_str(&first);
        }
    }
    let whole = said.concat();
    assert!(work.end.send(Ok(draft(&whole))).is_ok());
    assert_eq!(task.await.unwrap(), Some(true));
    assert!(flight.borrow().parts.is_empty() && flight.borrow().is_told);
    while let Some(Part::Token(more)) = hears.recv().await {
        listened.push_str(&more);
    }
    assert_eq!(listened, whole);
    assert_eq!(riding.await.unwrap().unwrap().written.text, whole);
}
