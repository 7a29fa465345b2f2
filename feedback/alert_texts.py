"""The words of every alert: what is wrong, and what to do about it. Both languages have the same kinds and facts."""

TEXTS: dict[str, dict[str, tuple[str, str]]] = {
    "en": {
        "latency": (
            "The bridge takes {value} ms, {limit} ms are allowed",
            "Look at the load of this machine; the engine goes on, advice may come too late",
        ),
        "success": (
            "Only {value} % of the last {n} {subject} went well, {limit} % are expected",
            "See the log and `xcrack doctor`; failed work is tried again by itself",
        ),
        "cpu": ("CPU load is {value} %, above {limit} %", "Stop other work on this machine or give it more cores"),
        "memory": (
            "Memory is {value} % used, above {limit} %",
            "Stop other work on this machine; a restart of the worker loses nothing",
        ),
        "errors": (
            "{value} errors in the last {minutes} minutes, {limit} are tolerated",
            "See the log; `xcrack doctor` checks the usual causes",
        ),
        "drawdown": (
            "Equity of {subject} is {value} % below its peak of {peak} USD, {limit} % are tolerated",
            "Look at the trades of {subject}; `xcrack engine reduce` lets it only close positions",
        ),
        "silence": (
            "Nothing heard from {subject} for {value} s, {limit} s are allowed",
            "See whether {subject} runs (`xcrack engine status`, `xcrack doctor`) and start it again",
        ),
        "stale_market": (
            "No change of {subject} since {since}; after {limit} s nothing new is opened on it",
            "See `xcrack status` and the exchange's own status page; trading goes on by itself when data come again",
        ),
        "market_archive": (
            "Market data could not be archived: {reason}",
            "They wait in the engine's log, which grows; free the disk or mend the named file, the rest goes by itself",
        ),
        "no_report": (
            "The daily report of {subject} is not there at {due} KST",
            "See the log of the worker; `xcrack cycle daily` runs the cycle now",
        ),
        "skipped": (
            "The {subject} cycle due at {due} was skipped: too long ago",
            "Nothing to do; the next one runs as planned",
        ),
        "rejected": (
            "The engine refused {subject}: {reason}",
            "The parameters before stay in force; see the deployment",
        ),
        "dead_letter": ("A message was set aside: {reason}", "See the log; nothing else waits for it"),
        "llm_model": (
            "The language model {subject} answers as {new} now; before it was {old}",
            "Its answers pass the same checks; watch accuracy and cost on the pages Scorecard and Costs",
        ),
        "llm_prices": (
            "The price table of {subject} changed (now {sha256})",
            "See the page Costs; `analyzer.prices_file` sets prices of your own",
        ),
        "llm_budget": (
            "{spent} of {cap} USD of this month's language model budget are spent",
            "Weekly studies are made by rules from here on; at the cap the daily ones are too",
        ),
        "llm_spike": (
            "A call of {subject} cost {cost} USD, the median is {median} USD: no further one for a day",
            "Rules take over meanwhile; look at the calls on the page Costs",
        ),
        "canary_held": (
            "The canary of {subject} holds: {reason}",
            "See `xcrack canary list`; it goes on by itself once its days are sound again",
        ),
        "canary_moved": ("The canary of {subject} moved on, {reason}", "See `xcrack canary list`"),
        "canary_rolled_back": (
            "The change of {subject} was taken back, {reason}",
            "The old parameters have the whole capital again; see `xcrack canary list`",
        ),
        "canary_stopped": ("The canary of {subject} was stopped: {reason}", "See `xcrack canary list`"),
        "canary_asks": (
            "The shadow of {subject} has passed and a person must approve its first money: {reason}",
            "`xcrack proposals approve {reason}`, or `reject`",
        ),
        "canary_waits": ("{subject} passed the sealed test and cannot begin: {reason}", "The next week tries it again"),
        "model_promoted": (
            "Model {new} serves {subject} in place of {old}: better over {n} bars, evidence {value}",
            "`xcrack ml rollback {subject}` brings the former one back, which goes on in shadow",
        ),
        "model_broken": (
            "Model {model} of {subject} cannot be used: {reason}",
            "What serves goes on; train again",
        ),
        "model_drift": (
            "The model of {subject} meets another market than before: {reason}",
            "It serves on and nothing is traded for this. Train the next one, which must prove itself: `{command}`",
        ),
        "model_no_trainer": (
            "The model of {subject} should be trained again, and the trainer is not installed: {reason}",
            "`pip install 'xcrack[train]'`, or set `models.online: frozen`",
        ),
    },
    "ko": {
        "latency": (
            "브리지 지연이 {value} ms입니다 (허용 {limit} ms)",
            "이 장비의 부하를 확인하세요. 엔진은 계속 동작하지만 조언이 늦을 수 있습니다",
        ),
        "success": (
            "최근 {subject} {n}건 중 {value} %만 성공했습니다 (기준 {limit} %)",
            "로그와 `xcrack doctor`를 확인하세요. 실패한 작업은 자동으로 다시 시도됩니다",
        ),
        "cpu": ("CPU 사용률 {value} %, 기준 {limit} % 초과", "이 장비의 다른 작업을 멈추거나 코어를 늘리세요"),
        "memory": (
            "메모리 사용률 {value} %, 기준 {limit} % 초과",
            "다른 작업을 멈추세요. 워커를 재시작해도 잃는 것은 없습니다",
        ),
        "errors": (
            "최근 {minutes}분 동안 오류 {value}건 (허용 {limit}건)",
            "로그를 확인하세요. `xcrack doctor`가 흔한 원인을 점검합니다",
        ),
        "drawdown": (
            "{subject} 자산이 최고점 {peak} USD 대비 {value} % 하락했습니다 (허용 {limit} %)",
            "{subject}의 거래를 확인하세요. `xcrack engine reduce`는 청산만 허용합니다",
        ),
        "silence": (
            "{subject}에서 {value}초 동안 신호가 없습니다 (허용 {limit}초)",
            "{subject} 실행 여부를 확인하고(`xcrack engine status`, `xcrack doctor`) 다시 시작하세요",
        ),
        "stale_market": (
            "{since} 이후 {subject} 시세에 변화가 없습니다. {limit}초가 지나면 새 포지션을 열지 않습니다",
            "`xcrack status`와 거래소 상태를 확인하세요. 시세가 다시 들어오면 거래는 자동으로 재개됩니다",
        ),
        "market_archive": (
            "시세 데이터를 보관하지 못했습니다: {reason}",
            "엔진 로그에 남아 계속 쌓입니다. 디스크를 비우거나 해당 파일을 고치면 자동으로 다시 보관합니다",
        ),
        "no_report": (
            "{subject} 일일 리포트가 {due} KST까지 나오지 않았습니다",
            "워커 로그를 확인하세요. `xcrack cycle daily`로 지금 실행할 수 있습니다",
        ),
        "skipped": (
            "{due} 예정이던 {subject} 주기를 건너뛰었습니다: 너무 오래됨",
            "조치할 것은 없습니다. 다음 주기는 예정대로 실행됩니다",
        ),
        "rejected": (
            "엔진이 {subject}을(를) 거부했습니다: {reason}",
            "이전 파라미터가 그대로 유지됩니다. 배포 내역을 확인하세요",
        ),
        "dead_letter": ("메시지 하나를 격리했습니다: {reason}", "로그를 확인하세요. 다른 작업에는 영향이 없습니다"),
        "llm_model": (
            "언어 모델 {subject}이(가) 이제 {new}(으)로 답합니다. 이전에는 {old}였습니다",
            "답은 같은 검사를 거칩니다. 성적표와 비용 페이지에서 정확도와 비용을 살펴보세요",
        ),
        "llm_prices": (
            "{subject}의 가격표가 바뀌었습니다 (현재 {sha256})",
            "비용 페이지를 확인하세요. `analyzer.prices_file`로 직접 정할 수 있습니다",
        ),
        "llm_budget": (
            "이번 달 언어 모델 예산 {cap} USD 중 {spent} USD를 썼습니다",
            "이제 주간 분석은 규칙이 맡고, 한도에 이르면 일일 분석도 규칙이 맡습니다",
        ),
        "llm_spike": (
            "{subject} 호출 하나에 {cost} USD가 들었습니다 (중앙값 {median} USD). 하루 동안 더 호출하지 않습니다",
            "그동안 규칙이 대신합니다. 비용 페이지에서 호출을 확인하세요",
        ),
        "canary_held": (
            "{subject} 카나리가 멈춰 있습니다: {reason}",
            "`xcrack canary list`를 확인하세요. 하루 결과가 다시 정상이면 자동으로 이어집니다",
        ),
        "canary_moved": ("{subject} 카나리가 다음 단계로 갔습니다, {reason}", "`xcrack canary list`를 확인하세요"),
        "canary_rolled_back": (
            "{subject} 변경을 되돌렸습니다, {reason}",
            "이전 파라미터가 다시 전체 자본을 운용합니다. `xcrack canary list`를 확인하세요",
        ),
        "canary_stopped": ("{subject} 카나리를 중단했습니다: {reason}", "`xcrack canary list`를 확인하세요"),
        "canary_asks": (
            "{subject} 섀도가 통과했습니다. 첫 자본 투입에는 사람의 승인이 필요합니다: {reason}",
            "`xcrack proposals approve {reason}` 또는 `reject`",
        ),
        "canary_waits": (
            "{subject}은(는) 봉인 시험을 통과했지만 시작할 수 없습니다: {reason}",
            "다음 주에 다시 시도합니다",
        ),
        "model_promoted": (
            "{subject}에서 모델 {old} 대신 {new}이(가) 예측합니다: {n}개 봉에서 더 나음, 증거 {value}",
            "`xcrack ml rollback {subject}`로 이전 모델로 되돌릴 수 있습니다. 이전 모델은 섀도로 계속 비교됩니다",
        ),
        "model_broken": (
            "{subject}의 모델 {model}을(를) 쓸 수 없습니다: {reason}",
            "지금 예측하는 모델은 그대로입니다. 다시 학습하세요",
        ),
        "model_drift": (
            "{subject} 모델이 이전과 다른 시장을 만났습니다: {reason}",
            "예측은 계속되며 이 때문에 거래하지 않습니다. 다음 모델을 학습하면 섀도에서 검증됩니다: `{command}`",
        ),
        "model_no_trainer": (
            "{subject} 모델을 다시 학습해야 하지만 학습기가 설치되어 있지 않습니다: {reason}",
            "`pip install 'xcrack[train]'`을 실행하거나 `models.online: frozen`으로 두세요",
        ),
    },
}

DRIFT_REASONS: dict[str, dict[str, str]] = {
    "en": {
        "error": "its mean loss rose from {before} to {after} (0 is best, 1 is worst), some time after {onset}",
        "calibration": "its stated confidence went from {before_points} to {after_points} points above what came true, "
        "some time after {onset}",
        "features": "since {onset} its features lie further from the training, {after}, than any stretch of it did, "
        "{before}; most: {columns}",
    },
    "ko": {
        "error": "평균 손실이 {onset} 이후 {before}에서 {after}(으)로 커졌습니다 (0이 가장 좋고 1이 가장 나쁨)",
        "calibration": "예측이 밝힌 확신도와 실제 적중률의 차이가 {onset} 이후 {before_points}에서 {after_points}%p로 "
        "벌어졌습니다",
        "features": "{onset}부터 특징이 학습 중 어느 때보다 학습 데이터에서 멀어졌습니다 "
        "({after}, 학습 중 최대 {before}). 가장 많이 변한 특징: {columns}",
    },
}
"""What was found of a model that drifts, by kind of finding."""
