"""The page in a real browser, opened as a file: what a user does with it, and nothing in the console."""

import json
import time

import pytest
import report_tree
from axe import install_axe, serious_findings
from chromium import Browser, find_chromium
from report_tree import SECONDS, make_tree

from espnet_codecse.bin import report

pytestmark = [
    pytest.mark.skipif(
        find_chromium() is None, reason="no Chromium here: apt-get install chromium, or name one with CODECSE_CHROMIUM"
    ),
    pytest.mark.slow,
]
HEARD = "player.gains.map((gain) => gain.gain.value > 0.5 ? 1 : 0).join('')"  # of each sound


@pytest.fixture(scope="module", name="page")
def page_of_a_tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    assert report.main([*make_tree(root), "--output_dir", str(root / "page"), "--num_utterances", "3"]) == 0
    return root / "page" / "index.html"


@pytest.fixture(scope="module", name="chromium")
def one_browser():
    browser = Browser(find_chromium())
    yield browser
    browser.close()


@pytest.fixture(name="browser")
def opened(chromium, page):
    chromium.resize(1280, 900)
    chromium.open(page)
    chromium.wait("typeof player !== 'undefined' && document.querySelectorAll('.clip').length === 3")
    yield chromium
    assert chromium.problems == []


def names(browser):
    return browser.evaluate("[...document.querySelectorAll('#table tbody th')].map((cell) => cell.textContent)")


def texts(browser, selector):
    return browser.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map((node) => node.textContent)")


def choose(browser, selector, value):
    browser.evaluate(
        f"{{ const select = document.querySelector('{selector}'); select.value = {json.dumps(value)};"
        " select.dispatchEvent(new Event('change', {bubbles: true})); }"
    )


def test_all_parts_are_drawn(browser):
    assert browser.evaluate("[...document.querySelectorAll('section')].every((section) => !section.hidden)")
    assert browser.evaluate("document.querySelectorAll('#distributions .box').length") == 2 * 4  # groups x systems
    assert browser.evaluate("document.querySelectorAll('#scatter figure').length") == 2
    assert browser.evaluate("document.querySelectorAll('#training path.curve').length") == 2 * 2  # steps x phases
    browser.evaluate("document.querySelector('.clip').scrollIntoView()")
    browser.wait("[...document.querySelectorAll('.clip img')].slice(0, 4).every((image) => image.naturalWidth > 100)")


def test_the_table_sorts_and_filters(browser):
    assert names(browser) == ["noisy", "codec_tiny, clean, continuous", "one, continuous", "two, continuous"]
    browser.click('[data-sort="PESQ"]')
    assert names(browser) == ["codec_tiny, clean, continuous", "two, continuous", "one, continuous", "noisy"]
    assert browser.evaluate("document.querySelector('[data-sort=\"PESQ\"]').parentNode.ariaSort") == "descending"
    browser.press("Enter")  # the column has the focus
    assert names(browser)[0] == "noisy"
    browser.evaluate("byId('filter').value = 'sep two'; byId('filter').dispatchEvent(new Event('input'))")
    assert names(browser) == ["two, continuous"]


def test_what_is_ticked_is_shown(browser):
    browser.click('[data-system="4"]')
    assert browser.evaluate("document.querySelectorAll('#scatter figure').length") == 1
    assert "two, continuous" not in " ".join(texts(browser, ".clip .version"))
    browser.click("#show-none")
    assert "Nothing to show" in browser.evaluate("byId('distributions').textContent")
    assert texts(browser, ".clip:first-child .version span:last-of-type") == ["noisy", "clean"]
    browser.click("#show-main")
    assert browser.evaluate("document.querySelectorAll('#scatter figure').length") == 2


def test_it_plays_and_switches_at_the_same_position(browser):
    browser.click("#loop")  # so that a slow machine does not come too late
    browser.click(".clip .play")
    browser.wait("player.playing && player.position > 0.2")
    assert browser.evaluate(HEARD) == "100000000"
    before, clock = browser.evaluate("[player.position, player.context.currentTime]")
    browser.click(".clip .row:nth-child(2) .version")
    browser.wait(f"{HEARD} === '010000000'")
    after, later = browser.evaluate("[player.position, player.context.currentTime]")
    laps = ((later - clock) - (after - before)) / browser.evaluate("player.buffers[0].duration")
    assert later > clock and laps == pytest.approx(round(laps), abs=1e-6)  # it advanced as the clock did
    assert browser.evaluate("document.querySelector('.row.chosen .version').dataset.sound") == "1"
    browser.click("#loop")
    browser.wait("!player.playing && player.position === 0")  # it ends by itself


# What goes to the speakers now: the buffer that it is cut from, and where (seconds); found by the smallest difference.
LISTEN = """(() => {
  const heard = new Float32Array(512);
  analyser.getFloatTimeDomainData(heard);
  const { position } = player;
  const rate = player.context.sampleRate;
  let best = { error: Infinity };
  player.buffers.forEach((buffer, index) => {
    const samples = buffer.getChannelData(0);
    const middle = Math.round(position * rate);
    for (let start = Math.max(0, middle - 8000); start < Math.min(middle + 8000, samples.length - 512); start += 1) {
      let error = 0;
      for (let n = 0; n < 512 && error < best.error; n += 1) error += (heard[n] - samples[start + n]) ** 2;
      if (error < best.error) best = { error, index, start: start / rate, position };
    }
  });
  return best;
})()"""


def test_what_is_heard_is_the_chosen_version_where_the_position_says(browser):
    browser.click("#loop")
    browser.click(".clip .play")
    browser.wait("player.playing")
    browser.evaluate("globalThis.analyser = player.context.createAnalyser(); analyser.fftSize = 512; 0")
    for chosen in (0, 7, 5):
        browser.evaluate("player.seek(0.2); player.gains.forEach((gain) => gain.connect(analyser)); 0")
        browser.evaluate(f"player.select({chosen})")
        browser.wait(f"player.position > 0.3 && player.gains[{chosen}].gain.value > 0.9999")
        found = browser.evaluate(LISTEN)
        assert found["index"] == chosen or (chosen == 7 and found["index"] in (1, 3))  # which hold the same sound
        assert found["error"] < 1e-3 and abs(found["start"] - found["position"]) < 0.05


def test_sounds_are_complete(browser):
    browser.click(".clip .play")
    browser.wait("player.buffers.length === 9")
    assert browser.evaluate("player.buffers.map((buffer) => buffer.duration)") == pytest.approx([SECONDS] * 9, abs=0.01)
    level = "Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length)"
    levels = browser.evaluate(f"player.buffers.map((buffer) => buffer.getChannelData(0)).map((data) => {level})")
    assert levels == pytest.approx(browser.evaluate("player.clip.sounds.map((sound) => sound.rms)"), rel=0.02)


def test_keys(browser):
    browser.press("l")
    browser.press(" ")
    browser.wait("player.playing")
    browser.press("3")
    browser.wait(f"{HEARD} === '000100000'")  # the third version of the first speaker
    browser.press(" ")
    browser.wait("!player.playing")
    browser.evaluate("player.seek(0.2)")
    browser.press("ArrowRight")
    assert browser.evaluate("player.position") == pytest.approx(1.2)
    browser.press("j")
    assert browser.evaluate("player.active") == 5
    browser.press("n")
    browser.wait("player.clip === clipsOfSet()[1] && player.buffers.length === 9")
    browser.press(" ")
    time.sleep(SECONDS + 0.3)
    assert browser.evaluate("player.playing && player.loop && player.position < player.seconds")
    browser.press(" ")
    theme = browser.evaluate("document.documentElement.dataset.theme")
    browser.press("t")
    assert browser.evaluate("document.documentElement.dataset.theme") != theme
    browser.press("t")
    browser.press("?")
    assert browser.evaluate("byId('keys').open")


def test_speakers_and_levels(browser):
    browser.click(".clip .version")
    browser.wait("player.playing")
    choose(browser, ".clip select", "2")
    browser.click(".clip .row:nth-child(2) .version")
    browser.wait("player.playing && player.active === 2")
    browser.click("#match")
    levels = browser.evaluate(
        "player.clip.sounds.map((sound, index) => (player.select(index), player.level(index) * sound.rms))"
    )
    assert levels == pytest.approx([min(levels)] * len(levels), rel=1e-4)


def test_another_set_and_metric(browser):
    choose(browser, "#set", "street")
    assert names(browser) == ["noisy", "one, continuous"]
    assert texts(browser, ".clip h3") == ["street_u6", "street_u3", "street_u0"]
    assert "Nothing to show" in browser.evaluate("byId('scatter').textContent")  # there is no ceiling
    choose(browser, "#metric", "DNSMOS_OVRL")
    choose(browser, "#heading", "All utterances")
    choose(browser, "#against", "noisy")
    assert browser.evaluate("document.querySelectorAll('#scatter circle').length") == 7
    assert "1.30" in " ".join(texts(browser, "td.chosen"))


def test_blind_test_saves_its_answers(browser):
    choose(browser, "#blind-first", "one, continuous")
    choose(browser, "#blind-second", "one, continuous")
    browser.click("#blind-start")
    assert "Choose two different versions" in browser.evaluate("byId('blind').textContent")
    choose(browser, "#blind-first", "noisy")
    choose(browser, "#blind-second", "two, continuous")
    browser.evaluate("byId('blind-count').value = 4")
    browser.click("#blind-start")
    correct = 0
    for trial in range(4):
        browser.wait(f"blind.current === {trial} && blind.trials[{trial}].started > 0")
        assert browser.evaluate("byId('listen').hidden && !/noisy|continuous/.test(byId('blind').textContent)")
        browser.press("x")
        assert browser.evaluate("player.active === blind.trials[blind.current].x.index && player.match")
        right = browser.evaluate("blind.trials[blind.current].x === blind.trials[blind.current].a ? 'a' : 'b'")
        is_correct = trial != 2
        correct += is_correct
        browser.click(f"#answer-{right if is_correct else {'a': 'b', 'b': 'a'}[right]}")
        browser.click("#prefer-b")
        browser.click("#blind-next")
    assert "3 of 4 correct (by guessing: p = 0.313)" in browser.evaluate("byId('blind').textContent")
    assert not browser.evaluate("byId('listen').hidden")
    browser.click("#blind-save")
    saved = browser.downloads / "blind_test.json"
    for _ in range(200):
        if saved.is_file() and saved.stat().st_size:
            break
        time.sleep(0.05)
    answers = json.loads(saved.read_text())
    assert (answers["correct"], answers["total"], answers["set"]) == (correct, 4, "lab")
    assert answers["systems"] == ["noisy", "two, continuous"] and sum(answers["preferred"].values()) == 4
    for trial in answers["trials"]:
        assert {trial["a"], trial["b"]} == set(answers["systems"]) and trial["x"] in answers["systems"]
        assert trial["correct"] == (trial[trial["answer"]] == trial["x"])
        assert trial["preference"] == "b" and trial["switches"] >= 1 and trial["seconds"] > 0


LEFT = "document.querySelector('{}').getBoundingClientRect().left + parseFloat(getComputedStyle({}).paddingLeft)"


@pytest.mark.parametrize("width", [800, 1280, 1920])
def test_heading_and_navigation_begin_at_the_same_place(browser, width):
    browser.resize(width, 900)
    heading = browser.evaluate(LEFT.format("h1", "document.querySelector('h1')"))
    assert browser.evaluate("document.querySelector('.top nav').getBoundingClientRect().left") == heading


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(browser, axe, scheme, width):
    browser.resize(width, 900, mobile=width < 500)
    browser.prefer(scheme)
    found = serious_findings(browser, axe)
    browser.prefer("light")
    assert not found


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    return install_axe(tmp_path_factory.mktemp("axe"))


def test_phone_and_dark(browser):
    browser.resize(390, 844, mobile=True)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate(
        "[...document.querySelectorAll('.top nav a')].every((link) => {"
        " const box = link.getBoundingClientRect(); return box.left >= 0 && box.right <= 390; })"
    )
    assert browser.evaluate("document.querySelector('#scatter figure').clientWidth") > 300
    browser.evaluate("localStorage.clear()")
    browser.prefer("dark")
    browser.wait("document.documentElement.dataset.theme === 'dark'")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 19, 21)"
    browser.prefer("light")
    browser.wait("document.documentElement.dataset.theme === 'light'")


def test_a_clip_that_is_gone_is_told(chromium, page):
    chromium.open(page)
    chromium.wait("document.querySelectorAll('.clip').length === 3")
    folder = page.parent / "clips" / chromium.evaluate("clipsOfSet()[2].folder")
    (folder / "audio.js").rename(folder / "moved.js")
    chromium.click(".clip:nth-child(3) .play")
    chromium.wait("document.querySelector('.clip:nth-child(3) .error').textContent.includes('cannot be loaded')")
    (folder / "moved.js").rename(folder / "audio.js")
    assert all("ERR_FILE_NOT_FOUND" in problem for problem in chromium.problems)
    chromium.problems.clear()


def test_ids_and_labels_with_html_stay_text(chromium, tmp_path, monkeypatch):
    monkeypatch.setattr(report_tree, "utterances", lambda test_set: [f"{test_set}_<x-id>{n}" for n in range(3)])
    rows = [word.replace("/continuous|", "/continuous <x-label>|") for word in make_tree(tmp_path)]
    assert report.main([*rows, "--output_dir", str(tmp_path / "page"), "--num_utterances", "2"]) == 0
    chromium.open(tmp_path / "page" / "index.html")
    chromium.wait("typeof player !== 'undefined' && document.querySelectorAll('.clip').length === 2")
    assert chromium.evaluate("document.querySelectorAll('x-id, x-label').length") == 0
    assert any("<x-label>" in name for name in names(chromium))
    assert "<x-id>" in chromium.evaluate("document.body.textContent")
