#!/bin/bash
# Tells CloudFormation how the build ended, by the signed URL it gave; that URL is never printed.
set -euo pipefail
if [ "${CODEBUILD_BUILD_SUCCEEDING:-0}" = 1 ]; then status=SUCCESS; else status=FAILED; fi
printf '{"Status": "%s", "Reason": "%s", "PhysicalResourceId": "%s", "StackId": "%s", "RequestId": "%s", "LogicalResourceId": "%s"}' \
  "$status" "see the log of build $CODEBUILD_BUILD_ID" "$TAG" "$CFN_StackId" "$CFN_RequestId" "$CFN_LogicalResourceId" > answer.json
curl --fail --silent --show-error --request PUT --header "Content-Type:" --data-binary @answer.json "$CFN_ResponseURL"
